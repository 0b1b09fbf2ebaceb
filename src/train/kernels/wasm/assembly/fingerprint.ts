/**
 * Writes the four sums over the bits of `count` elements that `bitSums` (src/core/bit_sums.ts) tells of:
 * four elements at a time, and one by one at the end.
 */
export function fingerprint(x: usize, count: i32, to: usize): void {
  let sum0 = i32x4.splat(0);
  let sum1 = sum0;
  let sum2 = sum0;
  let sum3 = sum0;
  let indices = i32x4.mul(i32x4(0, 1, 2, 3), i32x4.splat(GOLDEN));
  const whole = x + ((count & -4) << 2);
  for (; x < whole; x += 16) {
    const m = mixed(v128.load(x), indices);
    sum0 = i32x4.add(sum0, lane(m, KEY_0, FACTOR_0));
    sum1 = i32x4.add(sum1, lane(m, KEY_1, FACTOR_1));
    sum2 = i32x4.add(sum2, lane(m, KEY_2, FACTOR_2));
    sum3 = i32x4.add(sum3, lane(m, KEY_3, FACTOR_3));
    indices = i32x4.add(indices, i32x4.splat(GOLDEN * 4));
  }
  let total0 = total(sum0);
  let total1 = total(sum1);
  let total2 = total(sum2);
  let total3 = total(sum3);
  for (let left = count & 3; left > 0; left--, x += 4) {
    const m = mixed(v128.load32_splat(x), i32x4.splat(i32x4.extract_lane(indices, 0)));
    total0 += i32x4.extract_lane(lane(m, KEY_0, FACTOR_0), 0);
    total1 += i32x4.extract_lane(lane(m, KEY_1, FACTOR_1), 0);
    total2 += i32x4.extract_lane(lane(m, KEY_2, FACTOR_2), 0);
    total3 += i32x4.extract_lane(lane(m, KEY_3, FACTOR_3), 0);
    indices = i32x4.add(indices, i32x4.splat(GOLDEN));
  }
  store<i32>(to, total0);
  store<i32>(to, total1, 4);
  store<i32>(to, total2, 8);
  store<i32>(to, total3, 12);
}

const GOLDEN: i32 = 0x9e3779b1;
const KEY_0: i32 = 0x243f6a88;
const KEY_1: i32 = 0x85a308d3;
const KEY_2: i32 = 0x13198a2e;
const KEY_3: i32 = 0x03707344;
const FACTOR_0: i32 = 0x27d4eb2f;
const FACTOR_1: i32 = 0x165667b1;
const FACTOR_2: i32 = 0xd6e8feb9;
const FACTOR_3: i32 = 0x2c1b3c6d;

function mixed(bits: v128, indices: v128): v128 {
  const a = v128.xor(indices, i32x4.shr_u(indices, 15));
  const m = i32x4.mul(v128.xor(bits, a), i32x4.splat(0x85ebca6b));
  return i32x4.add(v128.xor(m, i32x4.shr_u(m, 13)), a);
}

function lane(m: v128, key: i32, factor: i32): v128 {
  let t = i32x4.mul(v128.xor(m, i32x4.splat(key)), i32x4.splat(0xc2b2ae35));
  t = i32x4.mul(v128.xor(t, i32x4.shr_u(t, 16)), i32x4.splat(factor));
  return v128.xor(t, i32x4.shr_u(t, 15));
}

function total(sums: v128): i32 {
  return i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) +
    i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
}
