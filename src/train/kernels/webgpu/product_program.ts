import type { Program } from "./program.ts";

/** Columns of a tile, in fours. */
const TILE_FOURS = 2;
/** Columns of the tile of C that an invocation computes. */
export const TILE_COLUMNS = 4 * TILE_FOURS;

/** What a product is compiled for. */
export interface ProductForm {
  /** Whether a side is read with its rows and columns exchanged. */
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Whether all lines of a tensor begin at multiples of four elements, which are then read as one. */
  readonly foursA: boolean;
  readonly foursB: boolean;
  /** The same of C, and of its columns too. */
  readonly foursC: boolean;
  /** Whether the inner dimension is no multiple of four. */
  readonly ragged: boolean;
  readonly bias: boolean;
  /**
   * Which part of a square matter, by its diagonal: "lower result", C is 0 above it; "lower left", A is 0
   * above it; "upper left", A is 0 below it, after any exchange.
   */
  readonly part: "all" | "lower result" | "lower left" | "upper left";
  /** Rows of the tile of an invocation, a multiple of four. */
  readonly tileRows: number;
  /** Tiles of a workgroup: `u.lanesAcross` side by side, in rows below each other. */
  readonly tiles: number;
}

const FOURS = [...Array(TILE_FOURS).keys()];
const LANES = ["x", "y", "z", "w"];
const UNIFORMS = Object.fromEntries(
  [
    ...["rows", "columns", "inner", "heads", "groupsDown", "groupsAcross", "lanesAcross"],
    ...["a", "b", "c"].flatMap((side) => ["Start", "Item", "Head", "Row"].map((of) => side + of)),
  ].map((name) => [name, "u32" as const]),
);

/**
 * A product of batches of matrices, each invocation a tile of C of `tileRows` by `TILE_COLUMNS` in
 * registers. Each element is added up from the bias over ascending k, whatever the sizes and the form.
 *
 * Both sides are read from memory as they lie, four elements at a time, through the caches. Memory of
 * the workgroup in between took twice the time and more on llvmpipe, which has no faster kind of it.
 */
export function productProgram(form: ProductForm): Program {
  const bias = form.bias ? { bias: "f32" } as const : {};
  return {
    name: `foldlog.Product ${Object.values(form)}`,
    reads: { a: form.foursA ? "vec4f" : "f32", b: form.foursB ? "vec4f" : "f32", ...bias },
    writes: { c: form.foursC ? "vec4f" : "f32" },
    uniforms: UNIFORMS,
    invocations: form.tiles,
    source: sourceOf(form),
  };
}

function sourceOf(form: ProductForm): string {
  const { part, tileRows, tiles } = form;
  const rows = [...Array(tileRows).keys()];
  const first = part === "upper left" ? "row" : "0u";
  const end = {
    "all": "u.inner",
    "lower result": `select(u.inner, 0u, column >= row + ${tileRows}u)`,
    "lower left": `min(u.inner, row + ${tileRows}u)`,
    "upper left": "u.inner",
  }[part];
  return `
fn readA(at: u32) -> vec4f { ${fourOf("a", form.foursA)} }
fn readB(at: u32) -> vec4f { ${fourOf("b", form.foursB)} }
fn kernel(group: u32, local: u32) {
  let item = group / (u.groupsDown * u.groupsAcross);
  let lanesDown = ${tiles}u / u.lanesAcross;
  let down = group / u.groupsAcross % u.groupsDown * lanesDown + local / u.lanesAcross;
  let across = group % u.groupsAcross * u.lanesAcross + local % u.lanesAcross;
  let row = down * ${tileRows}u;
  let column = across * ${TILE_COLUMNS}u;
  if (row >= u.rows || column >= u.columns) { return; }
  let aAt = u.aStart + item / u.heads * u.aItem + item % u.heads * u.aHead;
  let bAt = u.bStart + item / u.heads * u.bItem + item % u.heads * u.bHead;
  let cAt = u.cStart + item / u.heads * u.cItem + item % u.heads * u.cHead;
  ${FOURS.map((f) => `let start${f} = ${startOf(form, f)};`).join("\n  ")}
  ${rows.map((r) => FOURS.map((f) => `var c${r}_${f} = start${f};`).join(" ")).join("\n  ")}
  let end = ${end};
  for (var k = ${first}; k < end; k += 4u) {
    ${readsOfB(form).join("\n    ")}
    ${rows.flatMap((r) => [...readsOfA(form, r), ...productsOf(form, r)]).join("\n    ")}
  }
  ${rows.flatMap((r) => FOURS.map((f) => writeOf(form, r, f))).join("\n  ")}
}`;
}

/** The body of a function that reads four elements from `at` on. */
function fourOf(name: string, fours: boolean): string {
  return fours
    ? `return ${name}[at / 4u];`
    : `return vec4f(${name}[at], ${name}[at + 1u], ${name}[at + 2u], ${name}[at + 3u]);`;
}

function startOf({ bias }: ProductForm, four: number): string {
  if (!bias) return "vec4f()";
  return `vec4f(${LANES.map((_, j) => `bias[column + ${4 * four + j}u]`)})`;
}

/**
 * Reads of A for k to k + 3 right before their use in row r of the tile: a four, or, exchanged, for four
 * rows at once a four of rows for each k.
 */
function readsOfA({ transposeA, ragged }: ProductForm, r: number): readonly string[] {
  if (!transposeA) {
    const read = `readA(aAt + (row + ${r}u) * u.aRow + k)`;
    return [`let a${r} = ${ragged ? upToEnd(read) : read};`];
  }
  if (r % 4 > 0) return [];
  return LANES.map((_, j) => {
    const read = `readA(aAt + (k + ${j}u) * u.aRow + row + ${r}u)`;
    return `let a${j}_${r} = ${ragged ? beforeEnd(read, j) : read};`;
  });
}

/** Reads of B for k to k + 3: fours of columns for each k, or, exchanged, a four for each column. */
function readsOfB({ transposeB, ragged }: ProductForm): readonly string[] {
  if (transposeB) {
    return [...Array(TILE_COLUMNS).keys()].map((n) => {
      const read = `readB(bAt + (column + ${n}u) * u.bRow + k)`;
      return `let b${n} = ${ragged ? upToEnd(read) : read};`;
    });
  }
  return LANES.flatMap((_, j) =>
    FOURS.map((f) => {
      const read = `readB(bAt + (k + ${j}u) * u.bRow + column + ${4 * f}u)`;
      return `let b${j}_${f} = ${ragged ? beforeEnd(read, j) : read};`;
    })
  );
}

/** Of a four along k: 0 from the end of the inner dimension on. */
function upToEnd(read: string): string {
  return `select(vec4f(), ${read}, k + vec4u(0u, 1u, 2u, 3u) < vec4u(u.inner))`;
}

/** Of a four at k + j: 0 where that is not before the end of the inner dimension. */
function beforeEnd(read: string, j: number): string {
  return `select(vec4f(), ${read}, k + ${j}u < u.inner)`;
}

/**
 * What k to k + 3 add to row r of the tile. One element after the other: a processor has too few registers
 * for the whole tile, and takes each up once.
 */
function productsOf({ transposeA, transposeB }: ProductForm, r: number): readonly string[] {
  return FOURS.flatMap((f) =>
    LANES.map((lane, j) => {
      const left = transposeA ? `a${j}_${r - r % 4}.${LANES[r % 4]}` : `a${r}.${lane}`;
      const right = transposeB
        ? `vec4f(${LANES.map((_, n) => `b${4 * f + n}.${lane}`)})`
        : `b${j}_${f}`;
      return `c${r}_${f} += ${left} * ${right};`;
    })
  );
}

/** Writes four elements of a row of the tile, as far as they are elements of C. */
function writeOf({ foursC, part }: ProductForm, r: number, f: number): string {
  const four = `c${r}_${f}`;
  const at = `cAt + (row + ${r}u) * u.cRow + column + ${4 * f}u`;
  const columns = `column + ${4 * f}u + vec4u(0u, 1u, 2u, 3u)`;
  const value = part === "lower result"
    ? `select(vec4f(), ${four}, ${columns} <= vec4u(row + ${r}u))`
    : four;
  const inside = `row + ${r}u < u.rows && column + ${4 * f}u < u.columns`;
  if (foursC) return `if (${inside}) { c[(${at}) / 4u] = ${value}; }`;
  const writes = LANES.map((lane, j) =>
    `if (column + ${4 * f + j}u < u.columns) { c[at + ${j}u] = value.${lane}; }`
  );
  return `if (${inside}) { let at = ${at}; let value = ${value}; ${writes.join(" ")} }`;
}
