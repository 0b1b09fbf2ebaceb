import { type Bindings, dispatch } from "./dispatch.ts";
import type { Elements } from "./elements.ts";
import { fixedTree } from "./fixed_tree.ts";
import type { Program } from "./program.ts";
import type { Gpu } from "./register_webgpu_kernels.ts";

/** Rows of a workgroup where each has an invocation to itself. */
const ROWS = 8;

/**
 * A computation of each row from some of its elements at a time, of type `T`.
 *
 * `source` declares `fn each(row: u32, lane: u32)`, which every invocation of a row calls: it takes the
 * elements from `lane` on that are `WIDTH` apart, up to `u.count`, and gets from `total` and `greatest`
 * what those of all amount to.
 */
export interface RowProgram {
  readonly name: string;
  readonly reads: Readonly<Record<string, "T" | "f32" | "i32">>;
  readonly writes: Readonly<Record<string, "T" | "f32">>;
  readonly uniforms: Program["uniforms"];
  readonly source: string;
}

/** Runs a program on each of `rows` rows, of elements as `elements` has them. */
export function forEachRow(
  { backend, widths }: Gpu,
  { name, reads, writes, uniforms, source }: RowProgram,
  elements: Elements,
  bindings: Bindings,
  rows: number,
): void {
  const width = widths.row;
  const rowsOfGroup = width === 1 ? ROWS : 1;
  const typed = <Type>(types: Readonly<Record<string, Type | "T">>) =>
    Object.fromEntries(
      Object.entries(types).map(([name, type]) => [name, type === "T" ? elements.type : type]),
    );
  const calls = width === 1
    ? `let row = group * ${ROWS}u + local; if (row < u.rows) { each(row, 0u); }`
    : "each(group, local);"; // with no condition: each has barriers
  const program = {
    name: `${name} ${elements.type} ${width}`,
    reads: typed(reads),
    writes: typed(writes),
    uniforms: { rows: "u32", ...uniforms },
    invocations: width * rowsOfGroup,
    source: `${elements.source}${fixedTree(width)}
const WIDTH = ${width}u;
${source}
fn kernel(group: u32, local: u32) { ${calls} }`,
  } as Program;
  dispatch(backend, program, { ...bindings, rows }, Math.ceil(rows / rowsOfGroup));
}
