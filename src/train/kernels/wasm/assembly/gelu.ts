import { exponential } from "./exponential";

const SCALE: f32 = 1.5957691216057308; // 2 sqrt(2 / pi)
const CUBIC: f32 = 0.044715;

/** x sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3), of `count` floats. */
export function gelu(x: usize, y: usize, count: i32): void {
  const end = x + (count << 2);
  for (; x + 16 <= end; x += 16, y += 16) v128.store(y, geluOf(v128.load(x)));
  for (; x < end; x += 4, y += 4) v128.store_lane<f32>(y, geluOf(v128.load32_splat(x)), 0);
}

/** dy times the derivative of `gelu` at x, of `count` floats. */
export function geluGradient(dy: usize, x: usize, dx: usize, count: i32): void {
  const end = x + (count << 2);
  for (; x + 16 <= end; x += 16, dy += 16, dx += 16) {
    v128.store(dx, f32x4.mul(v128.load(dy), slopeOf(v128.load(x))));
  }
  for (; x < end; x += 4, dy += 4, dx += 4) {
    const slope = slopeOf(v128.load32_splat(x));
    v128.store_lane<f32>(dx, f32x4.mul(v128.load32_splat(dy), slope), 0);
  }
}

function geluOf(x: v128): v128 {
  return f32x4.mul(x, gateOf(x));
}

/** gate + x gate', where gate' = gate (1 - gate) (SCALE + 3 SCALE CUBIC x^2). */
function slopeOf(x: v128): v128 {
  const gate = gateOf(x);
  const square = f32x4.mul(x, x);
  const inner = f32x4.add(f32x4.mul(square, f32x4.splat(3 * SCALE * CUBIC)), f32x4.splat(SCALE));
  const bend = f32x4.mul(f32x4.mul(x, f32x4.mul(gate, f32x4.sub(f32x4.splat(1), gate))), inner);
  return f32x4.add(gate, bend);
}

function gateOf(x: v128): v128 {
  const square = f32x4.mul(x, x);
  const inner = f32x4.add(f32x4.mul(square, f32x4.splat(SCALE * CUBIC)), f32x4.splat(SCALE));
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exponential(f32x4.neg(f32x4.mul(x, inner)))));
}
