import { sizeOf } from "../../../core/host_tensor.ts";
import type { Attributes, AttributesOf } from "../kernel.ts";
import type { ADD_ROWS } from "../embedding.ts";
import { dispatch, NAN_BITS, withTemporary } from "./dispatch.ts";
import { type Elements, elementsOf } from "./elements.ts";
import type { Program } from "./program.ts";
import type { WebGpuKernel } from "./register_webgpu_kernels.ts";

/** Invocations of a workgroup, and how many elements of the table each sets to 0. */
const INVOCATIONS = 64;
const TIMES = 16;

/** The rows of the ids, a workgroup each. */
export const takeRows: WebGpuKernel<Attributes> = (
  { backend, widths },
  [table, ids],
  [taken],
) => {
  const [rows, n] = table!.shape as [number, number];
  const elements = elementsOf(n);
  const numbers = { rows, columns: n / elements.width, nan: NAN_BITS };
  const program = takeProgram(elements, widths.row);
  dispatch(backend, program, { table, ids, taken, ...numbers }, ids!.shape[0]!);
};

/**
 * Sums of the rows of equal id. The first row of an id adds up those that follow: a row names the next of
 * its id, so that a large table costs no more than being set to 0.
 */
export const addRows: WebGpuKernel<AttributesOf<typeof ADD_ROWS>> = (
  { backend },
  [x, ids],
  [table],
) => {
  const [rows, n] = table!.shape as [number, number];
  const count = ids!.shape[0]!;
  const elements = elementsOf(n);
  const size = sizeOf(table!.shape) / elements.width;
  withTemporary(backend, [count, 2], (links) => {
    const columns = n / elements.width;
    const zeros = Math.ceil(size / (INVOCATIONS * TIMES));
    const groups = Math.max(zeros, Math.ceil(count / INVOCATIONS));
    dispatch(backend, linkProgram(elements), { ids, links, table, size, count, rows }, groups);
    const tensors = { x, ids, links, table };
    const sums = Math.ceil(count * columns / INVOCATIONS);
    dispatch(backend, sumProgram(elements), { ...tensors, columns, count }, sums);
  });
};

/** A workgroup a row. */
function takeProgram({ type, source }: Elements, width: number): Program {
  return {
    name: `foldlog.TakeRows ${type} ${width}`,
    reads: { table: type, ids: "i32" },
    writes: { taken: type },
    uniforms: { rows: "u32", columns: "u32", nan: "u32" },
    invocations: width,
    source: `${source}
fn kernel(group: u32, local: u32) {
  let id = ids[group];
  let isRow = id >= 0 && id < i32(u.rows);
  for (var i = local; i < u.columns; i += ${width}u) {
    var value = T(bitcast<f32>(u.nan));
    if (isRow) { value = table[u32(id) * u.columns + i]; }
    taken[group * u.columns + i] = value;
  }
}`,
  };
}

/** Sets the table to 0, and finds of each row whether it is the first of its id, and which is the next. */
function linkProgram({ type, source }: Elements): Program {
  return {
    name: `foldlog.AddRows.links ${type}`,
    reads: { ids: "i32" },
    writes: { links: "vec2u", table: type },
    uniforms: { size: "u32", count: "u32", rows: "u32" },
    invocations: INVOCATIONS,
    source: `${source}
fn kernel(group: u32, local: u32) {
  for (var i = 0u; i < ${TIMES}u; i++) {
    let at = (group * ${TIMES}u + i) * ${INVOCATIONS}u + local;
    if (at < u.size) { table[at] = T(0f); }
  }
  let row = group * ${INVOCATIONS}u + local;
  if (row >= u.count) { return; }
  let id = ids[row];
  var first = u32(id >= 0 && id < i32(u.rows));
  for (var other = 0u; other < row && first == 1u; other++) {
    if (ids[other] == id) { first = 0u; }
  }
  var next = row + 1u;
  while (next < u.count && ids[next] != id) { next++; }
  links[row] = vec2u(first, next);
}`,
  };
}

/** The first row of an id writes the sums of all, each invocation that of one place. */
function sumProgram({ type, source }: Elements): Program {
  return {
    name: `foldlog.AddRows ${type}`,
    reads: { x: type, ids: "i32", links: "vec2u" },
    writes: { table: type },
    uniforms: { columns: "u32", count: "u32" },
    invocations: INVOCATIONS,
    source: `${source}
fn kernel(group: u32, local: u32) {
  let at = group * ${INVOCATIONS}u + local;
  let first = at / u.columns;
  if (first >= u.count || links[first].x == 0u) { return; }
  let column = at % u.columns;
  var sum = T(0f);
  for (var row = first; row < u.count; row = links[row].y) { sum += x[row * u.columns + column]; }
  table[u32(ids[first]) * u.columns + column] = sum;
}`,
  };
}
