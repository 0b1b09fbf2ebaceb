/** a b + c as the kernels compute it: with one rounding where the processor has such an operation. */
export function multiplyAdd(a: f32, b: f32, c: f32): f32 {
  const sum = f32x4.relaxed_madd(f32x4.splat(a), f32x4.splat(b), f32x4.splat(c));
  return f32x4.extract_lane(sum, 0);
}
