/** Copies the rows of `table` [rows, n] that `ids` name; for an id that is no row, NaN. */
export function takeRows(table: usize, ids: usize, to: usize, count: i32, rows: i32, n: i32): void {
  const bytes = n << 2;
  for (let index = 0; index < count; index++) {
    const id = load<i32>(ids + (index << 2));
    if (<u32>id < <u32>rows) {
      memory.copy(to, table + <usize>id * bytes, bytes);
    } else {
      for (let at = 0; at < bytes; at += 4) store<f32>(to + at, NaN);
    }
    to += bytes;
  }
}

/**
 * Adds the rows of x [count, n] to the rows of `table` [rows, n], first set to 0, that `ids` name, in
 * their order: what an embedding gets as its gradient. Ids outside of the table are passed over.
 */
export function addRows(x: usize, ids: usize, table: usize, count: i32, rows: i32, n: i32): void {
  const bytes = n << 2;
  const whole = bytes & -16;
  memory.fill(table, 0, <usize>rows * bytes);
  for (let index = 0; index < count; index++) {
    const id = load<i32>(ids + (index << 2));
    if (<u32>id < <u32>rows) {
      const row = table + <usize>id * bytes;
      for (let at = 0; at < whole; at += 16) {
        v128.store(row + at, f32x4.add(v128.load(row + at), v128.load(x + at)));
      }
      for (let at = whole; at < bytes; at += 4) {
        store<f32>(row + at, load<f32>(row + at) + load<f32>(x + at));
      }
    }
    x += bytes;
  }
}
