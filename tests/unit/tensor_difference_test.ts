import assert from "node:assert/strict";
import fc from "fast-check";
import type { HostTensor } from "../../src/core/host_tensor.ts";
import { type ElementDifference, tensorDifference } from "../../src/core/tensor_difference.ts";

const LARGEST = 3.4028234663852886e38;
const SMALLEST = 2 ** -149;

Deno.test("tensors that are equal bit for bit have no difference, NaNs and zeros too", () => {
  const values = [0, -0, NaN, Infinity, -Infinity, 1.5, SMALLEST, LARGEST];
  assert.equal(tensorDifference(floats(values), floats(values)), undefined);
  assert.equal(tensorDifference(integers([1, -2]), integers([1, -2])), undefined);
  assert.equal(tensorDifference(floats([]), floats([])), undefined);
});

Deno.test("the first element that differs is named by its index in each dimension", () => {
  const before = Float32Array.from({ length: 24 }, (_, i) => i);
  const after = before.slice();
  after[17] = 0.5;
  after[23] = 0;
  const shape = [2, 3, 4];
  assert.deepEqual(elements(tensor(before, shape), tensor(after, shape)), {
    differs: "elements",
    dtype: "float32",
    shape,
    elements: 24,
    differing: 2,
    first: {
      index: 17,
      at: [1, 1, 1],
      a: { value: 17, bits: "41880000" },
      b: { value: 0.5, bits: "3f000000" },
    },
    notNumbers: 0,
    maxAbsolute: 23,
    maxUlps: 0x41b80000, // from 23 to 0, which is further than from 17 to a half
  });
});

Deno.test("a scalar has no dimensions to be named by", () => {
  const [a, b] = [tensor(Float32Array.of(1), []), tensor(Float32Array.of(2), [])];
  assert.deepEqual(elements(a, b).first.at, []);
});

Deno.test("one flipped bit is found, whichever it is", () => {
  fc.assert(
    fc.property(fc.float32Array({ minLength: 1 }), fc.nat(), fc.nat(31), (data, place, bit) => {
      const index = place % data.length;
      const flipped = data.slice();
      new Uint32Array(flipped.buffer)[index]! ^= 1 << bit;
      const [a, b] = [tensor(data, [data.length]), tensor(flipped, [data.length])];
      const { first, differing } = elements(a, b);
      assert.deepEqual([differing, first.index, first.at], [1, index, [index]]);
      const difference = Number.parseInt(first.a.bits, 16) ^ Number.parseInt(first.b.bits, 16);
      assert.equal(difference >>> 0, (1 << bit) >>> 0);
    }),
  );
});

Deno.test("ULPs count the steps from one float32 to the next, over zero and to infinity", () => {
  const cases: readonly [a: number, b: number, ulps: number][] = [
    [1, 1 + 2 ** -23, 1],
    [1, 1 - 2 ** -24, 1],
    [-1, -1 - 2 ** -23, 1],
    [2, 2 + 2 ** -20, 4],
    [0, SMALLEST, 1],
    [-0, SMALLEST, 1],
    [-SMALLEST, SMALLEST, 2],
    [0, -0, 0],
    [LARGEST, Infinity, 1],
    [-Infinity, Infinity, 2 * 0x7f800000],
    [0, 1, 0x3f800000],
  ];
  for (const [a, b, ulps] of cases) {
    assert.equal(elements(floats([a]), floats([b])).maxUlps, ulps, `${a} to ${b}`);
    assert.equal(elements(floats([b]), floats([a])).maxUlps, ulps, `${b} to ${a}`);
  }
});

Deno.test("ULPs of two floats are the steps that lead from one to the other", () => {
  const start = fc.float({ noNaN: true, noDefaultInfinity: true });
  fc.assert(fc.property(start, fc.integer({ min: 1, max: 20 }), (from, steps) => {
    let to = from;
    for (let n = 0; n < steps && to !== Infinity; n++) to = nextUp(to);
    fc.pre(to !== Infinity);
    const { maxUlps, maxAbsolute } = elements(floats([from]), floats([to]));
    assert.deepEqual([maxUlps, maxAbsolute], [steps, to - from]);
  }));
});

Deno.test("differences are the largest over all elements, each by its own measure", () => {
  const far = elements(floats([1, 1e30, 7, 0]), floats([1, 1e30 + 1e23, 7, SMALLEST * 9]));
  assert.deepEqual([far.differing, far.maxUlps], [2, 9]);
  assert.equal(far.maxAbsolute, Math.fround(1e30 + 1e23) - Math.fround(1e30));
});

Deno.test("a NaN differs and is counted, and no maximum is made of it", () => {
  const { maxUlps, maxAbsolute, ...nothing } = elements(floats([NaN, 1]), floats([1, 1]));
  assert.deepEqual([maxUlps, maxAbsolute], [undefined, undefined]);
  assert.ok(!("maxUlps" in nothing) && !("maxAbsolute" in nothing));
  assert.deepEqual([nothing.differing, nothing.notNumbers], [1, 1]);
  assert.ok(Number.isNaN(nothing.first.a.value));
  const some = elements(floats([NaN, 1, 5]), floats([1, 2, NaN]));
  assert.deepEqual([some.differing, some.notNumbers, some.maxAbsolute], [3, 2, 1]);
});

Deno.test("NaNs of other payloads differ, and their bits tell them apart", () => {
  const [a, b] = [0x7fc00000, 0x7fc00001].map((bits) =>
    tensor(new Float32Array(Uint32Array.of(bits).buffer), [1])
  );
  const { first, notNumbers } = elements(a!, b!);
  assert.deepEqual([first.a.bits, first.b.bits, notNumbers], ["7fc00000", "7fc00001", 1]);
});

Deno.test("infinities of one sign are equal, and infinitely far from everything else", () => {
  assert.equal(tensorDifference(floats([Infinity]), floats([Infinity])), undefined);
  for (const b of [-Infinity, 0, LARGEST]) {
    const { maxAbsolute, notNumbers } = elements(floats([Infinity]), floats([b]));
    assert.deepEqual([maxAbsolute, notNumbers], [Infinity, 0]);
  }
});

Deno.test("integers have differences and no ULPs", () => {
  const found = elements(integers([0, 2147483647]), integers([0, -2147483648]));
  assert.equal(found.maxAbsolute, 4294967295);
  assert.ok(!("maxUlps" in found));
  assert.deepEqual(found.first.b, { value: -2147483648, bits: "80000000" });
});

Deno.test("tensors of another type or shape differ in form, whatever their elements are", () => {
  const a = tensor(Float32Array.of(1, 2, 3, 4), [4]);
  const forms = [tensor(Float32Array.of(1, 2, 3, 4), [2, 2]), tensor(Int32Array.of(1), [1])];
  for (const b of forms) {
    assert.deepEqual(tensorDifference(a, b), {
      differs: "form",
      a: { dtype: "float32", shape: [4] },
      b: { dtype: b.dtype, shape: b.shape },
    });
  }
});

Deno.test("tensors that are views of other memory are compared by their own elements", () => {
  const memory = Float32Array.of(9, 1, 2, 9);
  const a = tensor(memory.subarray(1, 3), [2]);
  assert.equal(tensorDifference(a, floats([1, 2])), undefined);
  assert.equal(elements(a, floats([1, 3])).first.index, 1);
});

function tensor(data: Float32Array | Int32Array, shape: readonly number[]): HostTensor {
  return { dtype: data instanceof Float32Array ? "float32" : "int32", shape, data };
}

function floats(values: readonly number[]): HostTensor {
  return tensor(Float32Array.from(values), [values.length]);
}

function integers(values: readonly number[]): HostTensor {
  return tensor(Int32Array.from(values), [values.length]);
}

function elements(a: HostTensor, b: HostTensor): ElementDifference {
  const found = tensorDifference(a, b);
  assert.equal(found?.differs, "elements");
  return found as ElementDifference;
}

/** The next float32, by search: the smallest power of two that moves it, added as often as it takes. */
function nextUp(x: number): number {
  let step = SMALLEST;
  while (Math.fround(x + step) === Math.fround(x)) step *= 2;
  let [low, high] = [x, Math.fround(x + step)];
  while (true) {
    const middle = Math.fround(low + (high - low) / 2);
    if (middle === low || middle === high) return high === x ? low : high;
    if (middle > x) high = middle;
    else low = middle;
  }
}
