/** Each of `count` floats rounded to the nearest of binary16, ties to even: four at a time. */
export function half(x: usize, y: usize, count: i32): void {
  const end = x + (count << 2);
  for (; x + 16 <= end; x += 16, y += 16) v128.store(y, halfOf(v128.load(x)));
  for (; x < end; x += 4, y += 4) v128.store_lane<f32>(y, halfOf(v128.load32_splat(x)), 0);
}

/**
 * From 2^-14 on, rounds the last 13 bits of the mantissa away; a carry moves on to the exponent. Below,
 * where binary16 has the multiples of 2^-24: they are what float32 has from 1/2 to 1, so adding 1/2
 * rounds to one of them, ties to even, and taking it away again is exact. WebAssembly has no other way
 * to round an addition than IEEE's, keeps subnormals, and reorders nothing.
 */
function halfOf(x: v128): v128 {
  const sign = v128.and(x, i32x4.splat(0x80000000));
  const size = v128.xor(x, sign);
  const odd = v128.and(i32x4.shr_u(size, 13), i32x4.splat(1));
  const carried = i32x4.add(i32x4.add(size, i32x4.splat(0xfff)), odd);
  const coarse = v128.and(carried, i32x4.splat(~0x1fff));
  const fine = f32x4.sub(f32x4.add(size, f32x4.splat(0.5)), f32x4.splat(0.5));
  let rounded = v128.bitselect(fine, coarse, i32x4.lt_s(size, i32x4.splat(0x38800000))); // 2^-14
  const beyond = i32x4.gt_s(rounded, i32x4.splat(0x477fe000)); // 65504, the largest of binary16
  rounded = v128.bitselect(i32x4.splat(0x7f800000), rounded, beyond);
  const nan = i32x4.gt_s(size, i32x4.splat(0x7f800000));
  return v128.bitselect(i32x4.splat(0x7fc00000), v128.or(rounded, sign), nan);
}
