import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { bits, key } from "../../src/core/rng_key.ts";
import type { Device } from "../../src/ports/device.ts";
import { half } from "../../src/train/kernels/half.ts";
import { scoped } from "../../src/train/ownership.ts";
import { backendTest } from "../support/backends.ts";

/** Bits of the NaN that stands for all, and how many finite numbers of no sign binary16 has. */
const NAN_BITS = 0x7fc00000;
const FINITE = 0x7c00;

for (const backend of BACKENDS) {
  backendTest(backend, "half() changes no number that binary16 has", async (device) => {
    const words = wordsOf(signed(Array.from({ length: FINITE + 1 }, (_, at) => numberOf(at))));
    words.set(wordsOf([Infinity, -Infinity]), words.length - 2);
    assertWords(await rounded(device, words), words, words);
  });

  backendTest(
    backend,
    "half() of what lies between two neighbours is the nearer, of their middle the even one",
    async (device) => {
      const pairs = Array.from({ length: FINITE }, (_, at) => {
        const [low, high] = [numberOf(at), numberOf(at + 1)];
        const [middle] = wordsOf([(low + high) / 2]) as unknown as [number];
        const even = at % 2 === 0 ? low : high;
        return [[middle - 1, low], [middle, even], [middle + 1, high]] as const;
      }).flat();
      const given = pairs.flatMap(([word]) => [word, word + 2 ** 31]);
      const expected = wordsOf(
        signed(pairs.map(([, value]) => value < 2 ** 16 ? value : Infinity)),
      );
      assertWords(await rounded(device, Uint32Array.from(given)), expected, given);
    },
  );

  backendTest(backend, "half() of a million words is what float64 rounds to", async (device) => {
    for (const count of [1_000_000, 100_001]) { // in fours, and not
      const words = bits(key(count), count);
      const expected = wordsOf([...new Float32Array(words.buffer)].map(nearestHalf));
      new Float32Array(words.buffer).forEach((value, at) => {
        if (Number.isNaN(value)) expected[at] = NAN_BITS;
      });
      assertWords(await rounded(device, words), expected, words);
    }
  });

  backendTest(backend, "half() keeps zeros' signs, and NaN is one NaN", async (device) => {
    const cases = [
      ...[[0, 0], [0x80000000, 0x80000000]], // zeros
      ...[[1, 0], [0x80000001, 0x80000000], [0x807fffff, 0x80000000]], // float32's subnormals
      ...[[0x33000000, 0], [0x33000001, 0x33800000], [0xb3000000, 0x80000000]], // 2^-25
      ...[[0x477fefff, 0x477fe000], [0x477ff000, 0x7f800000]], // below 65520, and from there
      ...[[0xc77ff000, 0xff800000], [0x7f7fffff, 0x7f800000], [0xff800000, 0xff800000]],
      ...[0x7f800001, 0xff800001, 0x7fffffff, 0xffc12345].map((word) => [word, NAN_BITS]),
    ];
    for (const size of [1, 2, 3, 4, 5, 7, 8, 9, cases.length]) {
      const some = Array.from({ length: size }, (_, at) => cases[at % cases.length]!);
      const given = Uint32Array.from(some, ([word]) => word!);
      const expected = Uint32Array.from(some, ([, word]) => word!);
      assertWords(await rounded(device, given), expected, given);
    }
  });
}

/** The binary16 number of no sign with these bits; of infinity's, the number that would follow. */
function numberOf(word: number): number {
  const [exponent, mantissa] = [word >> 10, word & 0x3ff];
  return exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25);
}

/** By dividing by the distance of binary16's numbers there, which is exact in float64. */
function nearestHalf(x: number): number {
  const size = Math.abs(x);
  const distance = 2 ** (Math.max(Math.floor(Math.log2(size)), -14) - 10);
  const [whole, rest] = [Math.floor(size / distance), size / distance % 1];
  const up = rest > 0.5 || (rest === 0.5 && whole % 2 === 1);
  const nearest = (whole + (up ? 1 : 0)) * distance;
  const bounded = size === 0 ? 0 : nearest < 2 ** 16 ? nearest : Infinity;
  return x < 0 || Object.is(x, -0) ? -bounded : bounded;
}

/** Each number and its negative. */
function signed(values: readonly number[]): readonly number[] {
  return values.flatMap((value) => [value, -value]);
}

function wordsOf(values: readonly number[]): Uint32Array {
  return new Uint32Array(Float32Array.from(values).buffer);
}

/** What a device makes of floats with these bits. */
async function rounded(device: Device, words: Uint32Array): Promise<Uint32Array> {
  const given = new Float32Array(words.slice().buffer);
  const result = scoped(() => half(tf.tensor1d(given)));
  const { data } = await device.read(result);
  result.dispose();
  return new Uint32Array(data.buffer, data.byteOffset, data.length);
}

function assertWords(
  actual: Uint32Array,
  expected: Uint32Array,
  given: ArrayLike<number>,
): void {
  assert.equal(actual.length, expected.length);
  const at = actual.findIndex((word, index) => word !== expected[index]);
  const [from, found, right] = [given[at], actual[at], expected[at]].map((x) => x?.toString(16));
  assert.equal(at, -1, `of ${from} (element ${at}): ${found}, not ${right}`);
}
