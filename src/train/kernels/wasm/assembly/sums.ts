import { sumOfLanes } from "./lanes";

/** The sums of the columns of x [rows, n], added up row by row: what a bias gets as its gradient. */
export function sumRows(x: usize, sums: usize, rows: i32, n: i32): void {
  const bytes = n << 2;
  const whole = bytes & -16;
  memory.fill(sums, 0, bytes);
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < whole; at += 16) {
      v128.store(sums + at, f32x4.add(v128.load(sums + at), v128.load(x + at)));
    }
    for (let at = whole; at < bytes; at += 4) {
      store<f32>(sums + at, load<f32>(sums + at) + load<f32>(x + at));
    }
    x += bytes;
  }
}

/** The sum of the squares of `count` floats. */
export function sumSquares(x: usize, count: i32): f32 {
  const end = x + (count << 2);
  let sums = f32x4.splat(0);
  for (; x + 16 <= end; x += 16) {
    const four = v128.load(x);
    sums = f32x4.add(sums, f32x4.mul(four, four));
  }
  let sum = sumOfLanes(sums);
  for (; x < end; x += 4) {
    const one = load<f32>(x);
    sum += one * one;
  }
  return sum;
}
