import type * as tf from "@tensorflow/tfjs";
import { dispatch } from "./dispatch.ts";
import type { Program } from "./program.ts";
import { type ProductForm, productProgram, TILE_COLUMNS } from "./product_program.ts";
import type { Gpu } from "./register_webgpu_kernels.ts";

/** Where the matrices of a batch lie in a tensor, in elements. */
export interface Side {
  readonly tensor: tf.TensorInfo;
  /** Where the first begins. */
  readonly start?: number;
  /** From one to that of the next item, and to that of the next head within an item. */
  readonly item: number;
  readonly head?: number;
  /** From one row to the next, as they lie in memory. */
  readonly row: number;
}

/** A product of each head of each item of a batch: C = A B + bias. */
export interface StridedProduct {
  readonly a: Side & { readonly transposed?: boolean };
  readonly b: Side & { readonly transposed?: boolean };
  readonly c: Side;
  readonly bias?: tf.TensorInfo | undefined;
  readonly items: number;
  readonly heads?: number;
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
  readonly part?: ProductForm["part"];
}

/** Records a product. */
export function multiply({ backend, widths }: Gpu, product: StridedProduct): void {
  const { a, b, c, bias, items, heads = 1, rows, columns, inner, part = "all" } = product;
  const [foursA, foursB] = [inFours(a), inFours(b)];
  // Read one by one, a tall tile would take seconds to compile.
  const tileRows = foursA && foursB ? widths.tileRows : 4;
  const program = programOf({
    transposeA: a.transposed ?? false,
    transposeB: b.transposed ?? false,
    foursA,
    foursB,
    foursC: inFours(c) && columns % 4 === 0,
    ragged: inner % 4 !== 0,
    bias: bias !== undefined,
    part,
    tileRows,
    tiles: widths.tiles,
  });
  const lanesAcross = lanesFor(Math.ceil(columns / TILE_COLUMNS));
  const lanesDown = widths.tiles / lanesAcross;
  const groupsDown = Math.ceil(rows / (tileRows * lanesDown));
  const groupsAcross = Math.ceil(columns / (TILE_COLUMNS * lanesAcross));
  const bindings = {
    ...{ a: a.tensor, b: b.tensor, c: c.tensor, ...(bias === undefined ? {} : { bias }) },
    ...{ rows, columns, inner, groupsDown, groupsAcross, lanesAcross, heads },
    ...{ aStart: a.start ?? 0, aItem: a.item, aHead: a.head ?? 0, aRow: a.row },
    ...{ bStart: b.start ?? 0, bItem: b.item, bHead: b.head ?? 0, bRow: b.row },
    ...{ cStart: c.start ?? 0, cItem: c.item, cHead: c.head ?? 0, cRow: c.row },
  };
  dispatch(backend, program, bindings, groupsDown * groupsAcross * items * heads);
}

/** How many of the tiles side by side one workgroup has: a power of two up to eight, so that few are idle. */
function lanesFor(tilesAcross: number): number {
  return Math.min(8, 2 ** Math.ceil(Math.log2(tilesAcross)));
}

/** Whether every row begins at a multiple of four elements. */
function inFours({ start = 0, item, head = 0, row }: Side): boolean {
  return [start, item, head, row].every((distance) => distance % 4 === 0);
}

/** The programs made so far: their texts are long. */
const programs = new Map<string, Program>();

function programOf(form: ProductForm): Program {
  const key = Object.values(form).join();
  const known = programs.get(key);
  if (known !== undefined) return known;
  const made = productProgram(form);
  programs.set(key, made);
  return made;
}
