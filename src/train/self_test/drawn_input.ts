import { bits, type RngKey } from "../../core/rng_key.ts";

/** An input of a case, as it is drawn from a key. */
export interface DrawnInput {
  readonly shape: readonly number[];
  readonly draw: (key: RngKey, count: number) => Float32Array | Int32Array;
}

/** Numbers of both signs, from 2^-6 up to 4. */
export function floats(...shape: readonly number[]): DrawnInput {
  return { shape, draw: drawFloats };
}

/** Numbers from 2^-6 up to 4. */
export function positives(...shape: readonly number[]): DrawnInput {
  return { shape, draw: (key, count) => drawFloats(key, count).map(Math.abs) };
}

/** Numbers of any bits: of every size, subnormal, infinite and NaN. */
export function anyFloats(...shape: readonly number[]): DrawnInput {
  return { shape, draw: (key, count) => new Float32Array(bits(key, count).buffer) };
}

/** Infinity, everywhere. */
export function infinities(...shape: readonly number[]): DrawnInput {
  return { shape, draw: (_key, count) => new Float32Array(count).fill(Infinity) };
}

/** Numbers of half precision of both signs, from 2^-6 up to 4. */
export function halves(...shape: readonly number[]): DrawnInput {
  return { shape, draw: (key, count) => drawFloats(key, count).map(Math.f16round) };
}

/** Squares that are 0 above the diagonal. */
export function lowerSquares(...shape: readonly number[]): DrawnInput {
  const size = shape.at(-1)!;
  const isBelow = (at: number) => at % size <= Math.floor(at / size) % size;
  const draw = (key: RngKey, count: number) =>
    drawFloats(key, count).map((value, at) => isBelow(at) ? value : 0);
  return { shape, draw };
}

/** Integers from 0 up to `count`, most of them more than once. */
export function idsBelow(count: number, ...shape: readonly number[]): DrawnInput {
  return {
    shape,
    draw: (key, size) => Int32Array.from(bits(key, size), (word) => word % count),
  };
}

/**
 * Float32 made of random words without any arithmetic, so that every machine draws the same: the sign,
 * three bits of the exponent and the whole mantissa. Sums of such numbers round at each addition, so
 * that another order gives other bits.
 */
function drawFloats(key: RngKey, count: number): Float32Array {
  const words = bits(key, count);
  words.forEach((word, i) => {
    const exponent = 121 + (word >>> 28 & 7);
    words[i] = word & 0x80000000 | exponent << 23 | word & 0x7fffff;
  });
  return new Float32Array(words.buffer);
}
