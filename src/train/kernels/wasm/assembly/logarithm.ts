const LN2: f64 = 0.6931471805599453;
const ROOT_HALF: f64 = 0.7071067811865476;

/**
 * The natural logarithm of a float32, to about float64's precision / 2^8: x = 2^e m with m around 1, and
 * log m = 2 artanh((m - 1) / (m + 1)) as a series. Of 0, negative numbers, infinity and NaN as usual.
 */
export function logarithm(x: f32): f64 {
  if (!(x > 0)) return x == 0 ? -Infinity : NaN;
  if (x == Infinity) return Infinity;
  const bits = reinterpret<u64>(<f64>x); // every float32 above 0 is a normal float64
  let exponent = <i32>(bits >> 52) - 1022;
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3fe0000000000000); // in [0.5, 1)
  if (m < ROOT_HALF) {
    m *= 2;
    exponent -= 1;
  }
  const z = (m - 1) / (m + 1);
  const square = z * z;
  let series: f64 = 0;
  for (let k = 21; k > 0; k -= 2) series = series * square + 1 / <f64>k;
  return <f64>exponent * LN2 + 2 * z * series;
}
