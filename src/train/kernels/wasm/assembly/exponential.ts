const LOG2_E: f32 = 1.44269504088896341;
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -2.12194440e-4;
/** Below it the result is no normal number: 0 is given. */
const LOWEST: f32 = -87.33654;
/** Above it the result is that of it. */
const HIGHEST: f32 = 88.3762626647950;
/** 1.5 * 2^23: added to a small number, it leaves the nearest integer in the lowest bits. */
const ROUNDER: f32 = 12582912;
const ONE_BITS: i32 = 0x3f800000;

/**
 * e^x of four numbers, relative error below 2e-7: range reduction by multiples of ln 2 and the minimax
 * polynomial of Cephes' `expf` (Moshier, 1992). NaN stays NaN.
 */
export function exponential(x: v128): v128 {
  // Not min and max, which take several instructions each; a NaN passes through these too.
  const inside = f32x4.pmax(f32x4.pmin(x, f32x4.splat(HIGHEST)), f32x4.splat(LOWEST));
  const rounded = f32x4.add(f32x4.mul(inside, f32x4.splat(LOG2_E)), f32x4.splat(ROUNDER));
  const n = f32x4.sub(rounded, f32x4.splat(ROUNDER));
  const part = f32x4.sub(inside, f32x4.mul(n, f32x4.splat(LN2_HIGH)));
  const r = f32x4.sub(part, f32x4.mul(n, f32x4.splat(LN2_LOW)));
  let p = f32x4.splat(1.9875691500e-4);
  p = f32x4.relaxed_madd(p, r, f32x4.splat(1.3981999507e-3));
  p = f32x4.relaxed_madd(p, r, f32x4.splat(8.3334519073e-3));
  p = f32x4.relaxed_madd(p, r, f32x4.splat(4.1665795894e-2));
  p = f32x4.relaxed_madd(p, r, f32x4.splat(1.6666665459e-1));
  p = f32x4.relaxed_madd(p, r, f32x4.splat(5.0000001201e-1));
  p = f32x4.add(f32x4.relaxed_madd(f32x4.mul(r, r), p, r), f32x4.splat(1));
  const power = i32x4.add(i32x4.shl(rounded, 23), i32x4.splat(ONE_BITS)); // 2^n
  return v128.andnot(f32x4.mul(p, power), f32x4.lt(x, f32x4.splat(LOWEST)));
}
