import { exponential } from "./exponential";
import { greatestLane, sumOfLanes } from "./lanes";

/** The greatest of the floats in `bytes` bytes; NaN where one is. */
export function greatest(x: usize, bytes: i32): f32 {
  const whole = bytes & -16;
  let highest: f32 = -Infinity;
  if (whole > 0) {
    let lanes = v128.load(x);
    for (let at = 16; at < whole; at += 16) lanes = f32x4.max(lanes, v128.load(x + at));
    highest = greatestLane(lanes);
  }
  for (let at = whole; at < bytes; at += 4) highest = max<f32>(highest, load<f32>(x + at));
  return highest;
}

/** Writes e^(x - shift) and returns the sum of what it wrote. `y` may be `x`. */
export function exponentials(x: usize, y: usize, shift: f32, bytes: i32): f32 {
  const whole = bytes & -16;
  const shifts = f32x4.splat(shift);
  let sums = f32x4.splat(0);
  for (let at = 0; at < whole; at += 16) {
    const power = exponential(f32x4.sub(v128.load(x + at), shifts));
    v128.store(y + at, power);
    sums = f32x4.add(sums, power);
  }
  let sum = sumOfLanes(sums);
  for (let at = whole; at < bytes; at += 4) {
    const power = exponential(f32x4.sub(v128.load32_splat(x + at), shifts));
    v128.store_lane<f32>(y + at, power, 0);
    sum += f32x4.extract_lane(power, 0);
  }
  return sum;
}

/** Multiplies the floats in `bytes` bytes by `factor`, in place. */
export function scale(x: usize, factor: f32, bytes: i32): void {
  const whole = bytes & -16;
  const factors = f32x4.splat(factor);
  for (let at = 0; at < whole; at += 16) {
    v128.store(x + at, f32x4.mul(v128.load(x + at), factors));
  }
  for (let at = whole; at < bytes; at += 4) store<f32>(x + at, load<f32>(x + at) * factor);
}
