import assert from "node:assert/strict";
import fc from "fast-check";
import { inversePermutation, permutation, permute } from "../../src/core/permutation.ts";
import { foldIn, key, type RngKey } from "../../src/core/rng_key.ts";

Deno.test("permutation() still gives the orders that old runs were made with", () => {
  // NEVER update these literals to make the test pass: a change of the order breaks resuming of old
  // runs. An independent Python program, written from the description of permutation(), agrees.
  const places = [0, 1, 2, 3, 4];
  assert.deepEqual(places.map((i) => permute(key(42), 1000, i)), [7, 4, 992, 73, 836]);
  assert.deepEqual(places.map((i) => permute(key(42), 5, i)), [3, 1, 2, 0, 4]);
  assert.deepEqual(places.map((i) => permute(key(42), 2 ** 48, i)), [
    245669862800626,
    117468769909393,
    269100128402920,
    135000064735203,
    95020557438467,
  ]);
  // This place needs more than 32 bits of a round's block.
  assert.equal(permute(key(42), 1e14, 18), 2352135189228);
});

Deno.test("permutation() is a bijection for every size from 1 to 2000", () => {
  for (let size = 1; size <= 2000; size++) {
    const seen = new Set(orderOf(foldIn(key(1), size), size));
    const inRange = [...seen].every((element) => element >= 0 && element < size);
    assert.ok(seen.size === size && inRange, `size ${size}: ${seen.size} elements`);
  }
});

Deno.test("permutation() keeps different places different and in range at sizes up to 2^48", () => {
  const sizeAndStart = fc.integer({ min: 6, max: 47 })
    .chain((log) => fc.integer({ min: 2 ** log, max: 2 ** (log + 1) }))
    .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 })));
  fc.assert(fc.property(keys(), sizeAndStart, (key, [size, start]) => {
    const at = permutation(key, size);
    const places = new Set(Array.from({ length: 64 }, (_, i) => (start + i * i) % size));
    const elements = new Set([...places].map(at));
    assert.equal(elements.size, places.size);
    for (const element of elements) {
      assert.ok(Number.isSafeInteger(element) && element >= 0 && element < size, `${element}`);
    }
  }));
});

Deno.test("permutation() reaches all of a large range, at its ends and about 2^32 too", () => {
  for (const size of [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 48 - 1, 2 ** 48]) {
    const at = permutation(key(3), size);
    const elements = Array.from({ length: 1000 }, (_, i) => at(i % 2 === 0 ? i : size - i));
    const tenths = new Set(elements.map((element) => Math.floor(element / size * 10)));
    assert.equal(tenths.size, 10, `size ${size}`);
    assert.ok(elements.some((element) => element % 2 === 1), "the lowest bit is used");
  }
});

Deno.test("permute() is the one-off form of permutation()", () => {
  const sizeAndIndex = fc.integer({ min: 1, max: 2 ** 48 })
    .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 })));
  fc.assert(fc.property(keys(), sizeAndIndex, (key, [size, index]) => {
    assert.equal(permute(key, size, index), permutation(key, size)(index));
  }));
});

Deno.test("inversePermutation() takes every element of 1 to 300 back to its place", () => {
  for (let size = 1; size <= 300; size++) {
    const placeOf = inversePermutation(foldIn(key(2), size), size);
    const places = orderOf(foldIn(key(2), size), size).map(placeOf);
    assert.deepEqual(places, Array.from({ length: size }, (_, place) => place));
  }
});

Deno.test("inversePermutation() and permutation() undo each other at sizes up to 2^48", () => {
  const sizeAndIndex = fc.integer({ min: 0, max: 48 })
    .chain((log) => fc.integer({ min: Math.ceil(2 ** (log - 1)), max: 2 ** log }))
    .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 })));
  fc.assert(fc.property(keys(), sizeAndIndex, (key, [size, index]) => {
    const [elementOf, placeOf] = [permutation(key, size), inversePermutation(key, size)];
    assert.equal(placeOf(elementOf(index)), index);
    assert.equal(elementOf(placeOf(index)), index);
  }));
});

Deno.test("every order of 2 to 5, and of 7, elements is equally likely", () => {
  const root = key(4);
  const cases = [[2, 2, 500], [3, 6, 500], [4, 24, 100], [5, 120, 100], [7, 5040, 5]] as const;
  for (const [size, orders, each] of cases) {
    const counts = new Map<string, number>();
    for (let n = 0; n < each * orders; n++) {
      const order = orderOf(foldIn(root, n), size).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    const absent = new Array<number>(orders - counts.size).fill(0);
    assertEven([...counts.values(), ...absent], `orders of ${size} elements`);
  }
});

Deno.test("every element of 2 to 6, 60 and 100 is equally likely at every place", () => {
  const root = key(5);
  for (const size of [2, 3, 4, 5, 6, 60, 100]) {
    const counts = Array.from({ length: size }, () => new Array<number>(size).fill(0));
    for (let n = 0; n < 1000; n++) {
      orderOf(foldIn(root, n), size).forEach((element, place) => counts[place]![element]! += 1);
    }
    assertEven(counts.flat(), `places of ${size} elements`, (size - 1) ** 2);
  }
});

Deno.test("two places say nothing about the distance of their elements, in one row or column", () => {
  // The weakest spot of a Feistel cipher with too few rounds: two inputs that share one half.
  const root = key(9);
  for (const [size, place] of [[64, 1], [64, 8], [100, 10], [100, 57]] as const) {
    const counts = new Array<number>(size).fill(0);
    for (let n = 0; n < 20_000; n++) {
      const at = permutation(foldIn(root, n), size);
      counts[(at(place) - at(0) + size) % size]! += 1;
    }
    assertEven(counts.slice(1), `distance from place 0 to ${place} of ${size}`);
  }
});

Deno.test("permutation() keeps no trace of the order that it shuffles", () => {
  const size = 20_000;
  const order = orderOf(key(6), size);
  const fixed = order.filter((element, place) => element === place).length;
  const successors = order.filter((element, i) => element === order[i - 1]! + 1).length;
  const rises = order.filter((element, i) => element > order[i - 1]!).length;
  // The first two are Poisson of mean 1; the third has variance (size + 1) / 12.
  assert.ok(fixed <= 7, `elements at their own place: ${fixed}`);
  assert.ok(successors <= 7, `neighbours still in sequence: ${successors}`);
  const excess = Math.abs(rises - (size - 1) / 2);
  assert.ok(excess <= 4 * Math.sqrt((size + 1) / 12), `rises: ${rises}`);
});

Deno.test("permutation() differs by epoch, by seed and by size", () => {
  const size = 1000;
  const first = orderOf(foldIn(key(7), 0), size);
  const others = [
    orderOf(foldIn(key(7), 1), size),
    orderOf(foldIn(key(8), 0), size),
    // 999 has the same Feistel domain as 1000 (32 by 32): only the derived key tells them apart.
    orderOf(foldIn(key(7), 0), size - 1),
  ];
  for (const other of others) {
    const same = first.filter((element, place) => element === other[place]).length;
    assert.ok(same <= 7, `elements at the same place: ${same}`);
  }
});

Deno.test("permutation() refuses a size or an index that makes no sense", () => {
  for (const size of [0, -1, 1.5, NaN, 2 ** 48 + 1]) {
    assert.throws(() => permutation(key(1), size), {
      name: "RangeError",
      message: `size: expected an integer from 1 to 281474976710656, found ${size}`,
    });
    assert.throws(() => inversePermutation(key(1), size), /^RangeError: size: expected/);
  }
  for (const index of [-1, 10, 0.5, NaN]) {
    const refusal = {
      name: "RangeError",
      message: `index: expected an integer from 0 to 9, found ${index}`,
    };
    assert.throws(() => permutation(key(1), 10)(index), refusal);
    assert.throws(() => permute(key(1), 10, index), refusal);
    assert.throws(() => inversePermutation(key(1), 10)(index), {
      name: "RangeError",
      message: `element: expected an integer from 0 to 9, found ${index}`,
    });
  }
});

function keys(): fc.Arbitrary<RngKey> {
  const word = fc.integer({ min: 0, max: 0xffffffff });
  return fc.record({ hi: word, lo: word });
}

function orderOf(key: RngKey, size: number): number[] {
  const at = permutation(key, size);
  return Array.from({ length: size }, (_, place) => at(place));
}

/** Chi-square within 4 deviations above what chance gives; the keys are fixed, so it is no gamble. */
function assertEven(counts: readonly number[], what: string, freedom = counts.length - 1): void {
  const expected = counts.reduce((sum, n) => sum + n, 0) / counts.length;
  const chiSquare = counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  const most = freedom + 4 * Math.sqrt(2 * freedom);
  assert.ok(chiSquare <= most, `${what}: chi-square ${chiSquare}, expected at most ${most}`);
}
