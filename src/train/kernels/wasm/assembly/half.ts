/** Each of `count` floats rounded to the nearest of binary16, ties to even: four at a time. */
export function half(x: usize, y: usize, count: i32): void {
  const end = x + (count << 2);
  for (; x + 16 <= end; x += 16, y += 16) v128.store(y, halfOf(v128.load(x)));
  for (; x < end; x += 4, y += 4) v128.store_lane<f32>(y, halfOf(v128.load32_splat(x)), 0);
}

/**
 * The distance of binary16's numbers is that of float32's from 2^13 times as much on, but 2^-24 at least,
 * so adding the power of two there rounds to one of them, ties to even, and taking it away again is exact.
 * WebAssembly has no other way to round an addition than IEEE's, keeps subnormals, and reorders nothing.
 * What is beyond binary16 is replaced afterwards.
 */
// @ts-ignore: only AssemblyScript has this decorator
@inline
function halfOf(x: v128): v128 {
  const sign = v128.and(x, i32x4.splat(0x80000000));
  const size = v128.xor(x, sign);
  const power = i32x4.max_s(v128.and(size, i32x4.splat(0x7f800000)), i32x4.splat(0x38800000)); // 2^-14
  const coarse = i32x4.add(power, i32x4.splat(13 << 23));
  const rounded = f32x4.sub(f32x4.add(size, coarse), coarse);
  const beyond = i32x4.gt_s(size, i32x4.splat(0x477fefff)); // from 65520 on, and NaN
  const bounded = v128.bitselect(i32x4.splat(0x7f800000), rounded, beyond);
  const nan = i32x4.gt_s(size, i32x4.splat(0x7f800000));
  return v128.bitselect(i32x4.splat(0x7fc00000), v128.or(bounded, sign), nan);
}
