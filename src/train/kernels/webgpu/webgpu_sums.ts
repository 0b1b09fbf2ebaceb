import type * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../../../core/host_tensor.ts";
import type { Attributes } from "../kernel.ts";
import { columnSums, sumColumns } from "./column_sums.ts";
import { dispatch, withTemporary } from "./dispatch.ts";
import { type Elements, elementsOf } from "./elements.ts";
import { fixedTree } from "./fixed_tree.ts";
import type { Program } from "./program.ts";
import type { Gpu, WebGpuKernel } from "./register_webgpu_kernels.ts";

/** Elements that one workgroup adds up. */
const CHUNK = 65_536;

/** The sums of the columns. */
export const sumRows: WebGpuKernel<Attributes> = ({ backend, widths }, [x], [sums]) => {
  const n = sizeOf(sums!.shape);
  const elements = elementsOf(n);
  const columns = { name: "foldlog.SumRows", reads: { x: "T" }, sums: { sums: "x[at]" } } as const;
  const program = columnSums(columns, elements, widths.column);
  sumColumns(backend, program, { x, sums }, x!.shape[0]!, n / elements.width);
};

/** The sum of the squares of all elements. */
export const sumSquares: WebGpuKernel<Attributes> = (gpu, [x], [sum]) => {
  sumOf(gpu, "part * part", { x: x!, sum: sum!, divisor: 1 });
};

/**
 * Adds up a term of each element `part` of x, divided by `divisor` in the end: of chunks, and then, where
 * there are several, what these have.
 */
export function sumOf(
  gpu: Gpu,
  term: string,
  { x, sum, divisor }: {
    readonly x: tf.TensorInfo;
    readonly sum: tf.TensorInfo;
    readonly divisor: number;
  },
): void {
  const { backend, widths } = gpu;
  const size = sizeOf(x.shape);
  const elements = elementsOf(size);
  const program = totalProgram(term, elements, widths.total);
  const count = size / elements.width;
  const chunks = Math.ceil(size / CHUNK);
  if (chunks <= 1) return dispatch(backend, program, { x, sums: sum, count, divisor }, 1);
  withTemporary(backend, [chunks], (sums) => {
    dispatch(backend, program, { x, sums, count, divisor: 1 }, chunks);
    sumOf(gpu, "part", { x: sums, sum, divisor });
  });
}

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
    uniforms: { count: "u32", divisor: "f32" },
    invocations,
    source: `${source}${fixedTree(invocations)}
fn kernel(group: u32, local: u32) {
  let start = group * ${CHUNK / width}u;
  let end = min(start + ${CHUNK / width}u, u.count);
  var sum = T(0f);
  for (var at = start + local; at < end; at += ${invocations}u) {
    let part = x[at];
    sum += ${term};
  }
  let all = total(local, across(sum));
  if (local == 0u) { sums[group] = all / u.divisor; }
}`,
  };
}
