import { type Bindings, dispatch } from "./dispatch.ts";
import type { Elements } from "./elements.ts";
import type { ElementType, Program } from "./program.ts";
import type { WebGpuBackend } from "./webgpu_backend.ts";

/** Columns (of elements of type `T`) of a workgroup. */
const COLUMNS = 8;

/** Sums over rows, of terms that are computed from tensors of [rows, n] and [rows]. */
export interface ColumnSums {
  readonly name: string;
  readonly reads: Readonly<Record<string, "T" | "f32">>;
  /** What is added up into each result, in WGSL: `row` is the row, `at` the index in [rows, n]. */
  readonly sums: Readonly<Record<string, string>>;
}

/**
 * A program that adds terms up over rows. A workgroup has `width` invocations for each of some columns:
 * each adds every `width`-th row, then one adds up what they have, in order.
 */
export function columnSums(
  { name, reads, sums }: ColumnSums,
  { type, source }: Elements,
  width: number,
): Program {
  const each = (line: (sum: string, term: string) => string) =>
    Object.entries(sums).map(([sum, term]) => line(sum, term)).join(" ");
  const typed = Object.entries(reads).map(([read, of]) => [read, of === "T" ? type : of]);
  return {
    name: `${name}.columns ${type} ${width}`,
    reads: Object.fromEntries(typed) as Record<string, ElementType>,
    writes: Object.fromEntries(Object.keys(sums).map((sum) => [sum, type])),
    uniforms: { rows: "u32", count: "u32" },
    invocations: COLUMNS * width,
    source: `${source}
${each((sum) => `var<workgroup> ${sum}Parts: array<T, ${COLUMNS * width}>;`)}
fn kernel(group: u32, local: u32) {
  let column = group * ${COLUMNS}u + local % ${COLUMNS}u;
  ${each((sum) => `var ${sum}Sum = T(0f);`)}
  if (column < u.count) {
    for (var row = local / ${COLUMNS}u; row < u.rows; row += ${width}u) {
      let at = row * u.count + column;
      ${each((sum, term) => `${sum}Sum += ${term};`)}
    }
  }
  ${each((sum) => `${sum}Parts[local] = ${sum}Sum;`)}
  workgroupBarrier();
  if (local < ${COLUMNS}u && column < u.count) {
    for (var part = 1u; part < ${width}u; part++) {
      ${each((sum) => `${sum}Sum += ${sum}Parts[part * ${COLUMNS}u + local];`)}
    }
    ${each((sum) => `${sum}[column] = ${sum}Sum;`)}
  }
}`,
  };
}

/** Runs such a program on rows of `count` elements of the type that it is compiled for. */
export function sumColumns(
  backend: WebGpuBackend,
  program: Program,
  tensors: Bindings,
  rows: number,
  count: number,
): void {
  dispatch(backend, program, { ...tensors, rows, count }, Math.ceil(count / COLUMNS));
}
