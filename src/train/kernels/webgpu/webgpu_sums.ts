import { sizeOf } from "../../../core/host_tensor.ts";
import type { Attributes } from "../kernel.ts";
import { columnSums, sumColumns } from "./column_sums.ts";
import { dispatch, withTemporary } from "./dispatch.ts";
import { type Elements, elementsOf } from "./elements.ts";
import { fixedTree } from "./fixed_tree.ts";
import type { Program } from "./program.ts";
import type { WebGpuKernel } from "./register_webgpu_kernels.ts";

/** Elements that one workgroup adds up. */
const CHUNK = 65_536;

/** The sums of the columns. */
export const sumRows: WebGpuKernel<Attributes> = ({ backend, widths }, [x], [sums]) => {
  const n = sizeOf(sums!.shape);
  const elements = elementsOf(n);
  const program = columnSums(
    { name: "foldlog.SumRows", reads: { x: "T" }, sums: { sums: "x[at]" } },
    elements,
    widths.column,
  );
  sumColumns(backend, program, { x, sums }, x!.shape[0]!, n / elements.width);
};

/** The sum of the squares of all elements: of chunks, and then of what these have. */
export const sumSquares: WebGpuKernel<Attributes> = ({ backend, widths }, [x], [sum]) => {
  const size = sizeOf(x!.shape);
  const elements = elementsOf(size);
  const chunks = Math.ceil(size / CHUNK);
  const squares = totalProgram("part * part", elements, widths.total);
  const count = size / elements.width;
  if (chunks <= 1) return dispatch(backend, squares, { x, sums: sum!, count }, 1);
  withTemporary(backend, [chunks], (sums) => {
    dispatch(backend, squares, { x, sums, count }, chunks);
    const ones = elementsOf(1);
    const rest = totalProgram("part", ones, widths.total);
    dispatch(backend, rest, { x: sums, sums: sum!, count: chunks }, 1);
  });
};

/** The sum of a term of each element of x, of each chunk. */
function totalProgram(
  term: string,
  { type, width, source }: Elements,
  invocations: number,
): Program {
  return {
    name: `foldlog.Sum ${term} ${type} ${invocations}`,
    reads: { x: type },
    writes: { sums: "f32" },
    uniforms: { count: "u32" },
    invocations,
    source: `${source}${fixedTree(invocations)}
const CHUNK = ${CHUNK / width}u;
fn kernel(group: u32, local: u32) {
  var sum = T(0f);
  for (var i = local; i < CHUNK; i += ${invocations}u) {
    let at = group * CHUNK + i;
    if (at >= u.count) { break; }
    let part = x[at];
    sum += ${term};
  }
  let all = total(local, across(sum));
  if (local == 0u) { sums[group] = all; }
}`,
  };
}
