import assert from "node:assert/strict";
import fc from "fast-check";
import { type DataCursor, startOfData } from "../../src/core/data_cursor.ts";
import { dataOrder } from "../../src/core/data_order.ts";
import { permutation } from "../../src/core/permutation.ts";
import { foldIn, key, type RngKey } from "../../src/core/rng_key.ts";

const sampleCounts = fc.integer({ min: 1, max: 40 });
const batches = fc.array(fc.nat(100), { maxLength: 12 });
const seeds = fc.maxSafeNat();

Deno.test("batches of any sizes hold every sample exactly once an epoch", () => {
  fc.assert(
    fc.property(sampleCounts, batches, seeds, fc.boolean(), (samples, sizes, seed, shuffle) => {
      const taken = takeAll(startOfData, sizes, samples, seed, shuffle);
      for (let start = 0; start + samples <= taken.length; start += samples) {
        const epoch = taken.slice(start, start + samples).sort((a, b) => a - b);
        assert.deepEqual(epoch, Array.from({ length: samples }, (_, i) => i));
      }
    }),
  );
});

Deno.test("sample i of epoch e is the keyed permutation of i, whatever the batches before it", () => {
  fc.assert(fc.property(sampleCounts, batches, seeds, (samples, sizes, seed) => {
    const taken = takeAll(startOfData, sizes, samples, seed, true);
    const expected = taken.map((_, n) =>
      permutation(foldIn(key(seed), Math.floor(n / samples)), samples)(n % samples)
    );
    assert.deepEqual(taken, expected);
  }));
});

Deno.test("resuming from any cursor gives the samples of the uninterrupted pass", () => {
  const cuts = fc.tuple(fc.nat(300), fc.nat(100));
  fc.assert(
    fc.property(sampleCounts, cuts, seeds, fc.boolean(), (samples, [done, rest], seed, shuffle) => {
      const whole = samplesAt(startOfData, done + rest, samples, key(seed), shuffle);
      const cursor: DataCursor = JSON.parse(JSON.stringify(advance(startOfData, done, samples)));
      assert.deepEqual(samplesAt(cursor, rest, samples, key(seed), shuffle), whole.slice(done));
    }),
  );
});

Deno.test("advance() is additive: by a and then by b is by a + b", () => {
  const far = fc.nat(1e9);
  const place = fc.integer({ min: 1, max: 2 ** 40 })
    .chain((samples) => fc.tuple(fc.constant(samples), fc.nat(1000), fc.maxSafeNat()))
    .map(([samples, epoch, n]) => ({ samples, cursor: { epoch, index: n % samples } }));
  fc.assert(fc.property(place, far, far, ({ samples, cursor }, a, b) => {
    const twice = advance(advance(cursor, a, samples), b, samples);
    assert.deepEqual(twice, advance(cursor, a + b, samples));
  }));
});

Deno.test("advance() counts samples: epoch * samples + index grows by count", () => {
  fc.assert(fc.property(sampleCounts, fc.nat(1000), fc.nat(1000), (samples, done, count) => {
    const cursor = { epoch: Math.floor(done / samples), index: done % samples };
    const next = advance(cursor, count, samples);
    assert.equal(next.epoch * samples + next.index, done + count);
    assert.ok(next.index >= 0 && next.index < samples);
  }));
});

Deno.test("the end of an epoch is index 0 of the next", () => {
  assert.deepEqual(advance({ epoch: 2, index: 7 }, 3, 10), { epoch: 3, index: 0 });
  assert.deepEqual(advance({ epoch: 2, index: 7 }, 23, 10), { epoch: 5, index: 0 });
  assert.deepEqual(advance({ epoch: 2, index: 0 }, 0, 10), { epoch: 2, index: 0 });
});

Deno.test("without shuffling the samples come in order, over the end of the epoch", () => {
  assert.deepEqual(samplesAt({ epoch: 4, index: 3 }, 7, 5, key(1), false), [3, 4, 0, 1, 2, 3, 4]);
});

Deno.test("with shuffling every epoch has an order of its own", () => {
  const samples = 100;
  const epochs = [0, 1, 2, 3].map((epoch) =>
    samplesAt({ epoch, index: 0 }, samples, samples, key(1), true).join()
  );
  assert.equal(new Set(epochs).size, 4);
});

Deno.test("entering a data set of 2^48 samples in the middle of an epoch skips nothing", () => {
  const samples = 2 ** 48;
  const cursor = { epoch: 3, index: samples - 2 };
  const taken = samplesAt(cursor, 4, samples, key(1), true);
  const third = permutation(foldIn(key(1), 3), samples);
  const fourth = permutation(foldIn(key(1), 4), samples);
  assert.deepEqual(taken, [third(samples - 2), third(samples - 1), fourth(0), fourth(1)]);
});

Deno.test("advance() is exact for counts near 2^53 and refuses an epoch past it", () => {
  const most = Number.MAX_SAFE_INTEGER;
  assert.deepEqual(advance({ epoch: 0, index: 2 }, most, 3), {
    epoch: (most - 1) / 3 + 1,
    index: 0,
  });
  assert.throws(() => advance({ epoch: most, index: 0 }, 1, 1), RangeError);
});

Deno.test("advance() and samplesAt() refuse cursors, counts and sizes that make no sense", () => {
  const bad: [cursor: DataCursor, count: number, samples: number, message: RegExp][] = [
    [startOfData, 1, 0, /^samples: expected an integer from 1 to .*, found 0$/],
    [startOfData, 1, 2.5, /^samples: .*found 2.5$/],
    [startOfData, 1, 2 ** 48 + 1, /^samples: /],
    [startOfData, -1, 10, /^count: .*found -1$/],
    [startOfData, 0.5, 10, /^count: /],
    [{ epoch: 0, index: 10 }, 1, 10, /^cursor.index: expected an integer from 0 to 9, found 10$/],
    [{ epoch: 0, index: -1 }, 1, 10, /^cursor.index: /],
    [{ epoch: -1, index: 0 }, 1, 10, /^cursor.epoch: /],
    [{ epoch: NaN, index: 0 }, 1, 10, /^cursor.epoch: /],
  ];
  for (const [cursor, count, samples, message] of bad) {
    const refusal = { name: "RangeError", message };
    assert.throws(() => advance(cursor, count, samples), refusal);
    assert.throws(() => samplesAt(cursor, count, samples, key(1), true), refusal);
    assert.throws(() => samplesAt(cursor, count, samples, key(1), false), refusal);
  }
});

/** The samples of one batch after another, each from the cursor that the one before it left. */
function takeAll(
  start: DataCursor,
  sizes: readonly number[],
  samples: number,
  seed: number,
  shuffle: boolean,
): number[] {
  let cursor = start;
  return sizes.flatMap((size) => {
    const batch = samplesAt(cursor, size, samples, key(seed), shuffle);
    assert.equal(batch.length, size);
    cursor = advance(cursor, size, samples);
    return batch;
  });
}

// The data set's own order: nothing is left out.

function advance(cursor: DataCursor, count: number, samples: number): DataCursor {
  return dataOrder({ samples, key: key(0), shuffle: true }).advance(cursor, count);
}

function samplesAt(
  cursor: DataCursor,
  count: number,
  samples: number,
  key: RngKey,
  shuffle: boolean,
): readonly number[] {
  return dataOrder({ samples, key, shuffle }).samplesAt(cursor, count);
}
