/**
 * Four 32-bit sums over the bits of a tensor's elements: what a fingerprint is made of.
 *
 * Element i with bits u, all arithmetic modulo 2^32:
 *
 * ```
 * a = i * 0x9e3779b1;  a = a ^ (a >>> 15)
 * m = (u ^ a) * 0x85ebca6b;  m = (m ^ (m >>> 13)) + a
 * t = (m ^ S[j]) * 0xc2b2ae35;  t = (t ^ (t >>> 16)) * P[j];  sum[j] += t ^ (t >>> 15)
 * ```
 *
 * Each step is a bijection of u, so one element that changes changes every sum; several that change
 * leave a sum alone as rarely as chance does. Integers are added, so any order gives the same sums:
 * a device may add them as it likes. It is no defence against someone who looks for a collision.
 */
export function bitSums(words: Uint32Array): Uint32Array {
  const sums = new Uint32Array(4);
  for (let j = 0; j < 4; j++) sums[j] = laneSum(words, LANE_KEYS[j]!, LANE_FACTORS[j]!);
  return sums;
}

/** S of each lane. */
export const LANE_KEYS = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344] as const; // digits of pi
/** P of each lane, odd. */
export const LANE_FACTORS = [0x27d4eb2f, 0x165667b1, 0xd6e8feb9, 0x2c1b3c6d] as const;

function laneSum(words: Uint32Array, key: number, factor: number): number {
  let sum = 0;
  for (let i = 0, at = 0; i < words.length; i++, at = at + 0x9e3779b1 | 0) {
    const a = at ^ at >>> 15;
    let m = Math.imul(words[i]! ^ a, 0x85ebca6b);
    m = (m ^ m >>> 13) + a;
    let t = Math.imul(m ^ key, 0xc2b2ae35);
    t = Math.imul(t ^ t >>> 16, factor);
    sum = sum + (t ^ t >>> 15) | 0;
  }
  return sum >>> 0;
}
