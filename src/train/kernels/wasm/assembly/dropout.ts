const PARITY: i32 = 0x1bd11bda;

/**
 * x times `kept` where word i of `bits(key, count)` (src/core/rng_key.ts) is at least `threshold`, times
 * 0 elsewhere. Eight words are made at once, in the 32 bytes of `words`.
 */
export function dropout(
  x: usize,
  y: usize,
  count: i32,
  high: i32,
  low: i32,
  threshold: i32,
  kept: f32,
  words: usize,
): void {
  const limits = i32x4.splat(threshold);
  const factors = f32x4.splat(kept);
  let counters = i32x4(0, 1, 2, 3);
  let index = 0;
  for (; index + 8 <= count; index += 8) {
    fillWords(counters, high, low, words);
    for (let half = 0; half < 32; half += 16) {
      const mask = v128.and(i32x4.ge_u(v128.load(words + half), limits), factors);
      const at = (index << 2) + half;
      v128.store(y + at, f32x4.mul(v128.load(x + at), mask));
    }
    counters = i32x4.add(counters, i32x4.splat(4));
  }
  if (index == count) return;
  fillWords(counters, high, low, words);
  for (let word = words; index < count; index++, word += 4) {
    const mask: f32 = load<u32>(word) >= <u32>threshold ? kept : 0;
    store<f32>(y + (index << 2), load<f32>(x + (index << 2)) * mask);
  }
}

/** The blocks of four counters of Threefry 2x32-20, eight words: the constants are those of the host's. */
function fillWords(counters: v128, high: i32, low: i32, words: usize): void {
  const k0 = i32x4.splat(high);
  const k1 = i32x4.splat(low);
  const k2 = i32x4.splat(PARITY ^ high ^ low);
  let x = i32x4.add(counters, k0);
  let y = k1;

  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 13), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 15), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 26), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 6), x);
  x = i32x4.add(x, k1);
  y = i32x4.add(y, i32x4.add(k2, i32x4.splat(1)));

  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 17), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 29), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 16), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 24), x);
  x = i32x4.add(x, k2);
  y = i32x4.add(y, i32x4.add(k0, i32x4.splat(2)));

  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 13), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 15), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 26), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 6), x);
  x = i32x4.add(x, k0);
  y = i32x4.add(y, i32x4.add(k1, i32x4.splat(3)));

  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 17), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 29), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 16), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 24), x);
  x = i32x4.add(x, k1);
  y = i32x4.add(y, i32x4.add(k2, i32x4.splat(4)));

  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 13), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 15), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 26), x);
  x = i32x4.add(x, y);
  y = v128.xor(rotated(y, 6), x);
  x = i32x4.add(x, k2);
  y = i32x4.add(y, i32x4.add(k0, i32x4.splat(5)));

  v128.store(words, v128.shuffle<i32>(x, y, 0, 4, 1, 5));
  v128.store(words, v128.shuffle<i32>(x, y, 2, 6, 3, 7), 16);
}

// @ts-ignore: only AssemblyScript has this decorator
@inline
function rotated(x: v128, by: i32): v128 {
  return v128.or(i32x4.shl(x, by), i32x4.shr_u(x, 32 - by));
}
