import { requireInteger } from "./require_integer.ts";

/**
 * A 64-bit key from which random numbers and further keys are computed; two uint32 words.
 *
 * A key is a value, not a generator: nothing advances, the same key gives the same numbers for
 * ever. Use one key for one purpose and derive others with {@linkcode foldIn} or {@linkcode split}.
 *
 * Everything is a block of Threefry 2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, "Parallel
 * random numbers: as easy as 1, 2, 3", SC 2011). A block turns a key and a 64-bit counter into 64
 * bits, and for one key different counters give different blocks. The top bits of the counter's
 * second word say what a block is for, so that no two uses of a key ever share a counter:
 *
 * | counter word 1          | counter word 0         | use                                         |
 * | ----------------------- | ---------------------- | ------------------------------------------- |
 * | `0x00000000`            | block b                | words 2b and 2b + 1 of `bits`               |
 * | `0x20000000`            | i                      | child i of `split`                          |
 * | `0x40000000 + n / 2^32` | low 32 bits of n       | `foldIn` of the integer n < 2^53            |
 * | `0x60000000 + n / 2^32` | low 32 bits of n       | `permutation` of size n, see permutation.ts |
 * | `0x80000000` or more    | low 32 bits of digest  | `foldIn` of a string, by a 63-bit digest    |
 *
 * This layout is part of the contract with old runs: a run resumes only with the numbers that it
 * began with.
 */
export interface RngKey {
  readonly hi: number;
  readonly lo: number;
}

const BITS_DOMAIN = 0;
const SPLIT_DOMAIN = 0x20000000;
const INTEGER_DOMAIN = 0x40000000;
const STRING_DOMAIN = 0x80000000;

const TWO_32 = 2 ** 32;

/** Holds a block within one call of {@linkcode threefry2x32}: a new array would cost 1 us, a block 0.02. */
const scratch = new Uint32Array(2);

/**
 * The key of a seed: its low 32 bits in `lo`, the rest in `hi`. Different seeds, different keys.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 *
 * const dropout = foldIn(foldIn(key(42), "dropout"), 1000); // of seed 42, at step 1000
 * deepEqual(uniform(dropout, 3), uniform(dropout, 3)); // always the same three numbers
 * ```
 * @throws {RangeError} unless the seed is an integer from 0 to 2^53 - 1
 */
export function key(seed: number): RngKey {
  requireInteger("seed", seed, 0);
  return { hi: Math.floor(seed / TWO_32), lo: seed >>> 0 };
}

/**
 * The key for `data` (a step, an epoch, a purpose such as "dropout") under `key`.
 *
 * Two integers never give the same key: each has a block of its own. An integer and a string never
 * do either: their blocks lie in different domains (see {@linkcode RngKey}). Two strings do only
 * when their 63-bit digests are equal, which is as likely as for random numbers (or when they
 * differ only in lone surrogates: UTF-8 has no bytes for these).
 *
 * @throws {RangeError} unless `data` is a string or an integer from 0 to 2^53 - 1
 */
export function foldIn(key: RngKey, data: number | string): RngKey {
  if (typeof data === "string") {
    const { hi, lo } = digestOf(data);
    return block(key, lo, STRING_DOMAIN + (hi >>> 1));
  }
  requireInteger("data", data, 0);
  return block(key, data >>> 0, INTEGER_DOMAIN + Math.floor(data / TWO_32));
}

/**
 * `count` different keys for uses that have no name or number of their own.
 *
 * @throws {RangeError} unless `count` is an integer from 0 to 2^32
 */
export function split(key: RngKey, count: number): readonly RngKey[] {
  requireInteger("count", count, 0, TWO_32);
  return Array.from({ length: count }, (_, child) => block(key, child, SPLIT_DOMAIN));
}

/**
 * The first `count` random uint32 words of `key`; word i is the same for every `count`.
 *
 * @throws {RangeError} unless `count` is an integer from 0 to 2^32
 */
export function bits(key: RngKey, count: number): Uint32Array {
  requireInteger("count", count, 0, TWO_32);
  const words = new Uint32Array(count);
  fillBlocks(words, key, 0, BITS_DOMAIN);
  return words;
}

/**
 * `count` numbers in [0, 1), all multiples of 2^-24; number i is the same for every `count`.
 *
 * Number i is made of the upper 24 bits of word i of {@linkcode bits}, so it is exact in float32.
 *
 * @throws {RangeError} unless `count` is an integer from 0 to 2^32
 */
export function uniform(key: RngKey, count: number): Float32Array {
  const words = bits(key, count);
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = (words[i]! >>> 8) * 2 ** -24;
  return numbers;
}

/**
 * `count` numbers of mean 0 and variance 1; number i is the same for every `count`.
 *
 * Box and Muller (1958): numbers 2b and 2b + 1 come from words 2b and 2b + 1 of
 * {@linkcode bits}, computed in float64 and rounded once to float32. With 32 bits for the radius no
 * number lies further than 6.8 from 0. `Math.log`, `cos` and `sin` are not specified to the last
 * bit: they are the same on every run of one V8 version, and V8 has changed them between versions.
 *
 * @throws {RangeError} unless `count` is an integer from 0 to 2^32
 */
export function normal(key: RngKey, count: number): Float32Array {
  requireInteger("count", count, 0, TWO_32);
  const words = bits(key, count + count % 2);
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    // Half a unit keeps the logarithm away from 0.
    const radius = Math.sqrt(-2 * Math.log((words[i]! + 0.5) * 2 ** -32));
    const angle = 2 * Math.PI * words[i + 1]! * 2 ** -32;
    numbers[i] = radius * Math.cos(angle);
    if (i + 1 < count) numbers[i + 1] = radius * Math.sin(angle);
  }
  return numbers;
}

/**
 * One Threefry 2x32-20 block: two uint32 words for a key and a 64-bit counter.
 *
 * For test vectors and for other derivations in this folder; draw numbers with {@linkcode bits}.
 */
export function threefry2x32(
  key: RngKey,
  counter0: number,
  counter1: number,
): readonly [number, number] {
  fillBlocks(scratch, key, counter0, counter1);
  return [scratch[0]!, scratch[1]!];
}

/**
 * Fills `words` with the blocks of counters `(counter0, counter1)`, `(counter0 + 1, counter1)`, ...
 *
 * Rotations, key injection and the parity constant are those of Random123's `threefry.h`. The rounds
 * are unrolled because a loop over them takes four times as long.
 */
function fillBlocks(
  words: Uint32Array,
  key: RngKey,
  counter0: number,
  counter1: number,
): void {
  const k0 = key.hi | 0;
  const k1 = key.lo | 0;
  const k2 = 0x1bd11bda ^ k0 ^ k1;
  for (let i = 0, counter = counter0 | 0; i < words.length; i += 2, counter = counter + 1 | 0) {
    let x = counter + k0 | 0;
    let y = counter1 + k1 | 0;

    x = x + y | 0, y = (y << 13 | y >>> 19) ^ x;
    x = x + y | 0, y = (y << 15 | y >>> 17) ^ x;
    x = x + y | 0, y = (y << 26 | y >>> 6) ^ x;
    x = x + y | 0, y = (y << 6 | y >>> 26) ^ x;
    x = x + k1 | 0, y = y + k2 + 1 | 0;

    x = x + y | 0, y = (y << 17 | y >>> 15) ^ x;
    x = x + y | 0, y = (y << 29 | y >>> 3) ^ x;
    x = x + y | 0, y = (y << 16 | y >>> 16) ^ x;
    x = x + y | 0, y = (y << 24 | y >>> 8) ^ x;
    x = x + k2 | 0, y = y + k0 + 2 | 0;

    x = x + y | 0, y = (y << 13 | y >>> 19) ^ x;
    x = x + y | 0, y = (y << 15 | y >>> 17) ^ x;
    x = x + y | 0, y = (y << 26 | y >>> 6) ^ x;
    x = x + y | 0, y = (y << 6 | y >>> 26) ^ x;
    x = x + k0 | 0, y = y + k1 + 3 | 0;

    x = x + y | 0, y = (y << 17 | y >>> 15) ^ x;
    x = x + y | 0, y = (y << 29 | y >>> 3) ^ x;
    x = x + y | 0, y = (y << 16 | y >>> 16) ^ x;
    x = x + y | 0, y = (y << 24 | y >>> 8) ^ x;
    x = x + k1 | 0, y = y + k2 + 4 | 0;

    x = x + y | 0, y = (y << 13 | y >>> 19) ^ x;
    x = x + y | 0, y = (y << 15 | y >>> 17) ^ x;
    x = x + y | 0, y = (y << 26 | y >>> 6) ^ x;
    x = x + y | 0, y = (y << 6 | y >>> 26) ^ x;
    x = x + k2 | 0, y = y + k0 + 5 | 0;

    words[i] = x;
    if (i + 1 < words.length) words[i + 1] = y;
  }
}

function block(key: RngKey, counter0: number, counter1: number): RngKey {
  const [hi, lo] = threefry2x32(key, counter0, counter1);
  return { hi, lo };
}

/**
 * A 64-bit digest of the text's UTF-8 bytes: its length, then 4 bytes (little-endian, the last ones
 * padded with zeros) at a time, each encrypted under what came before. It needs no user's key, so
 * {@linkcode foldIn} spends one block of the key on a string, in the string domain.
 */
function digestOf(text: string): RngKey {
  const bytes = new TextEncoder().encode(text);
  let digest = block({ hi: 0, lo: 0 }, bytes.length, STRING_DOMAIN);
  for (let i = 0; i < bytes.length; i += 4) {
    const chunk = bytes[i]! | (bytes[i + 1] ?? 0) << 8 | (bytes[i + 2] ?? 0) << 16 |
      (bytes[i + 3] ?? 0) << 24;
    digest = block(digest, chunk, STRING_DOMAIN);
  }
  return digest;
}
