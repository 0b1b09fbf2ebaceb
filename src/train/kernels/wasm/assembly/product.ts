/** Rows and columns of C that are computed at once, in registers. */
const TILE_ROWS = 4;
const TILE_COLUMNS = 8;
/** What is packed at once, so that it stays in the caches: depth, columns of B, rows of A. */
const DEPTH = 512;
const COLUMNS = 512;
const ROWS = 64;

/** Every entry is wanted, and may be other than 0. */
const FULL = 0;
/** Of C only what is on and below the diagonal is wanted. */
export const LOWER_RESULT = 1;
/** A is 0 above its diagonal. */
export const LOWER_LEFT = 2;
/** A is 0 below its diagonal. */
export const UPPER_LEFT = 3;

/** Bytes of memory that kernels work in. */
export function workBytes(): i32 {
  return (DEPTH * (COLUMNS + ROWS) + TILE_ROWS * TILE_COLUMNS) << 2;
}

/**
 * C = A B + bias for A of [m, k] and B of [k, n] with any strides (in floats), C of [m, n] with rows of
 * `cRow` floats; `bias`, of [n], may be 0 for none.
 *
 * Each entry of C is added up from bias over ascending k, whatever the sizes: a row of C does not depend
 * on how many others there are.
 */
export function product(
  a: usize,
  aRow: i32,
  aColumn: i32,
  b: usize,
  bRow: i32,
  bColumn: i32,
  c: usize,
  cRow: i32,
  m: i32,
  n: i32,
  k: i32,
  bias: usize,
  form: i32,
  work: usize,
): void {
  const packedB = work;
  const packedA = packedB + ((DEPTH * COLUMNS) << 2);
  const edge = packedA + ((DEPTH * ROWS) << 2);
  for (let column = 0; column < n; column += COLUMNS) {
    const columns = min(COLUMNS, n - column);
    for (let from = 0; from < k || from == 0; from += DEPTH) {
      const depth = min(DEPTH, k - from);
      packColumns(b + ((from * bRow + column * bColumn) << 2), bRow, bColumn, depth, columns, packedB);
      for (let row = 0; row < m; row += ROWS) {
        const rows = min(ROWS, m - row);
        packRows(a + ((row * aRow + from * aColumn) << 2), aRow, aColumn, rows, depth, packedA);
        for (let i = 0; i < rows; i += TILE_ROWS) {
          const top = row + i;
          const height = min(TILE_ROWS, rows - i);
          // Of this block's depth, what is not known to be 0.
          const first = form == UPPER_LEFT ? min(max(top - from, 0), depth) : 0;
          const end = form == LOWER_LEFT ? min(max(top + height - from, 0), depth) : depth;
          const left = packedA + ((i * depth + first * TILE_ROWS) << 2);
          const wanted = form == LOWER_RESULT ? min(columns, top + height - column) : columns;
          for (let j = 0; j < wanted; j += TILE_COLUMNS) {
            const width = min(TILE_COLUMNS, columns - j);
            const right = packedB + ((j * depth + first * TILE_COLUMNS) << 2);
            const at = c + ((top * cRow + column + j) << 2);
            const start = from > 0 ? at : bias == 0 ? 0 : bias + ((column + j) << 2);
            const startRow = from > 0 ? cRow << 2 : 0;
            const whole = height == TILE_ROWS && width == TILE_COLUMNS;
            if (whole) {
              tile(left, right, end - first, start, startRow, at, cRow << 2);
            } else {
              if (start != 0) copyTile(start, startRow, edge, TILE_COLUMNS << 2, height, width);
              tile(left, right, end - first, start == 0 ? 0 : edge, TILE_COLUMNS << 2, edge, TILE_COLUMNS << 2);
              copyTile(edge, TILE_COLUMNS << 2, at, cRow << 2, height, width);
            }
          }
        }
      }
    }
  }
}

/** B as panels of `TILE_COLUMNS` columns, each row by row; what a last panel lacks is 0. */
function packColumns(b: usize, row: i32, column: i32, depth: i32, columns: i32, to: usize): void {
  for (let j = 0; j < columns; j += TILE_COLUMNS) {
    const width = min(TILE_COLUMNS, columns - j);
    if (width == TILE_COLUMNS && column == 1) {
      let from = b + (j << 2);
      for (let p = 0; p < depth; p++) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
        from += row << 2;
        to += TILE_COLUMNS << 2;
      }
    } else if (width == TILE_COLUMNS && row == 1) {
      to = transposePanel(b + ((j * column) << 2), column << 2, depth, TILE_COLUMNS, to);
    } else {
      to = packPanel(b + ((j * column) << 2), column << 2, row << 2, width, depth, TILE_COLUMNS, to);
    }
  }
}

/** A as panels of `TILE_ROWS` rows, each column by column; what a last panel lacks is 0. */
function packRows(a: usize, row: i32, column: i32, rows: i32, depth: i32, to: usize): void {
  for (let i = 0; i < rows; i += TILE_ROWS) {
    const height = min(TILE_ROWS, rows - i);
    if (height == TILE_ROWS && row == 1) {
      let from = a + (i << 2);
      for (let p = 0; p < depth; p++) {
        v128.store(to, v128.load(from));
        from += column << 2;
        to += TILE_ROWS << 2;
      }
    } else if (height == TILE_ROWS && column == 1) {
      to = transposePanel(a + ((i * row) << 2), row << 2, depth, TILE_ROWS, to);
    } else {
      to = packPanel(a + ((i * row) << 2), row << 2, column << 2, height, depth, TILE_ROWS, to);
    }
  }
}

/** Lines whose floats are next to each other, `lines` (a multiple of 4) of them, side by side. */
function transposePanel(from: usize, line: i32, depth: i32, lines: i32, to: usize): usize {
  const whole = depth & -4;
  for (let p = 0; p < whole; p += 4) {
    for (let i = 0; i < lines; i += 4) {
      const at = from + i * line + (p << 2);
      const a = v128.load(at);
      const b = v128.load(at + line);
      const c = v128.load(at + 2 * line);
      const d = v128.load(at + 3 * line);
      const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
      const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
      const abHigh = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
      const cdHigh = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
      const out = to + ((p * lines + i) << 2);
      v128.store(out, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5));
      v128.store(out + (lines << 2), v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
      v128.store(out + (lines << 3), v128.shuffle<f32>(abHigh, cdHigh, 0, 1, 4, 5));
      v128.store(out + 3 * (lines << 2), v128.shuffle<f32>(abHigh, cdHigh, 2, 3, 6, 7));
    }
  }
  return packPanel(from + (whole << 2), line, 4, lines, depth - whole, lines, to + ((whole * lines) << 2));
}

/** Lines side by side, one float at a time, `missing` ones 0; returns where the next panel belongs. */
function packPanel(
  from: usize,
  line: i32,
  next: i32,
  lines: i32,
  depth: i32,
  width: i32,
  to: usize,
): usize {
  for (let p = 0; p < depth; p++) {
    for (let i = 0; i < lines; i++) store<f32>(to + (i << 2), load<f32>(from + i * line));
    for (let i = lines; i < width; i++) store<f32>(to + (i << 2), 0);
    from += next;
    to += width << 2;
  }
  return to;
}

function copyTile(from: usize, fromRow: i32, to: usize, toRow: i32, height: i32, width: i32): void {
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      store<f32>(to + i * toRow + (j << 2), load<f32>(from + i * fromRow + (j << 2)));
    }
  }
}

/**
 * A tile of C in registers: from `start` (0: from zeros), plus packed A times packed B. Where the
 * processor has a fused multiply-add it is one operation with one rounding, everywhere in the tile.
 */
function tile(
  a: usize,
  b: usize,
  depth: i32,
  start: usize,
  startRow: i32,
  c: usize,
  cRow: i32,
): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  if (start != 0) {
    c00 = v128.load(start);
    c01 = v128.load(start, 16);
    start += startRow;
    c10 = v128.load(start);
    c11 = v128.load(start, 16);
    start += startRow;
    c20 = v128.load(start);
    c21 = v128.load(start, 16);
    start += startRow;
    c30 = v128.load(start);
    c31 = v128.load(start, 16);
  }
  // Loads are checked for bounds, one by one: rows of A are loaded together and then spread out.
  for (const end = a + (depth << 4); a < end; a += 16, b += 32) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const rows = v128.load(a);
    const a0 = v128.shuffle<f32>(rows, rows, 0, 0, 0, 0);
    c00 = f32x4.relaxed_madd(a0, b0, c00);
    c01 = f32x4.relaxed_madd(a0, b1, c01);
    const a1 = v128.shuffle<f32>(rows, rows, 1, 1, 1, 1);
    c10 = f32x4.relaxed_madd(a1, b0, c10);
    c11 = f32x4.relaxed_madd(a1, b1, c11);
    const a2 = v128.shuffle<f32>(rows, rows, 2, 2, 2, 2);
    c20 = f32x4.relaxed_madd(a2, b0, c20);
    c21 = f32x4.relaxed_madd(a2, b1, c21);
    const a3 = v128.shuffle<f32>(rows, rows, 3, 3, 3, 3);
    c30 = f32x4.relaxed_madd(a3, b0, c30);
    c31 = f32x4.relaxed_madd(a3, b1, c31);
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  c += cRow;
  v128.store(c, c10);
  v128.store(c, c11, 16);
  c += cRow;
  v128.store(c, c20);
  v128.store(c, c21, 16);
  c += cRow;
  v128.store(c, c30);
  v128.store(c, c31, 16);
}
