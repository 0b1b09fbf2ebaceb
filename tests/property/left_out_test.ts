import assert from "node:assert/strict";
import fc from "fast-check";
import { startOfData } from "../../src/core/data_cursor.ts";
import { carriedOver, type DataOrder, dataOrder } from "../../src/core/data_order.ts";
import { bothLeftOut, type LeftOut, nothingLeftOut } from "../../src/core/left_out.ts";
import { permutation } from "../../src/core/permutation.ts";
import { foldIn, key } from "../../src/core/rng_key.ts";

/** Epochs that the naive order below is made of. */
const EPOCHS = 8;

const settings = fc.integer({ min: 1, max: 12 }).chain((samples) =>
  fc.record({
    samples: fc.constant(samples),
    seed: fc.maxSafeNat(),
    shuffle: fc.boolean(),
    leftOut: leftOuts(samples),
    more: leftOuts(samples),
  })
);

Deno.test("an order is the data set's own order without what is left out", () => {
  fc.assert(fc.property(settings, fc.nat(40), fc.nat(40), (setting, from, count) => {
    const kept = naiveOrder(setting).map(({ sample }) => sample);
    fc.pre(from + count <= kept.length);
    const order = orderOf(setting);
    const cursor = order.advance(startOfData, from);
    assert.deepEqual(order.samplesAt(cursor, count), kept.slice(from, from + count));
  }));
});

Deno.test("every cursor is that of one sample: its epoch, how many of it came before, its place", () => {
  fc.assert(fc.property(settings, (setting) => {
    const order = orderOf(setting);
    let [cursor, before] = [startOfData, -1];
    let index = 0;
    for (const { epoch, place, sample } of naiveOrder(setting)) {
      index = epoch === before ? index + 1 : 0;
      before = epoch;
      cursor = order.advance(cursor, 0); // the start of the data may lie in an empty epoch
      assert.deepEqual(cursor, { epoch, index });
      assert.deepEqual(order.placeOf(cursor), { epoch, index: place });
      assert.deepEqual(order.cursorAt({ epoch, index: place }), cursor);
      assert.deepEqual(order.placesAt(cursor, 1), [{ epoch, index: place, count: 1 }]);
      assert.deepEqual(order.samplesAt(cursor, 1), [sample]);
      cursor = order.advance(cursor, 1);
    }
  }));
});

Deno.test("the cursor at a place that is passed over is that of the next sample", () => {
  fc.assert(fc.property(settings, fc.nat(EPOCHS - 3), fc.nat(11), (setting, epoch, index) => {
    const place = { epoch, index: index % setting.samples };
    const next = naiveOrder(setting).find((kept) =>
      kept.epoch > epoch || (kept.epoch === epoch && kept.place >= place.index)
    )!;
    const order = orderOf(setting);
    const found = order.placeOf(order.cursorAt(place));
    assert.deepEqual(found, { epoch: next.epoch, index: next.place });
  }));
});

Deno.test("advancing by a and then by b is advancing by a + b, across epochs of any lengths", () => {
  const steps = fc.nat(60);
  fc.assert(fc.property(settings, steps, steps, steps, (setting, start, a, b) => {
    const { advance } = orderOf(setting);
    const cursor = advance(startOfData, start);
    assert.deepEqual(advance(advance(cursor, a), b), advance(cursor, a + b));
  }));
});

Deno.test("a fork that leaves more out uses nothing again and skips nothing else", () => {
  fc.assert(fc.property(settings, fc.nat(30), (setting, used) => {
    const from = orderOf(setting);
    const leftOut = bothLeftOut(setting.leftOut, setting.more);
    fc.pre(leftOut.samples.length < setting.samples);
    const forked = { ...setting, leftOut };
    const before = naiveOrder(setting);
    fc.pre(used < before.length);
    const stays = new Set(naiveOrder(forked).map(nameOf));
    const expected = before.slice(used).filter((kept) => stays.has(nameOf(kept)));
    fc.pre(expected.length > 0);
    const to = orderOf(forked);
    const cursor = carriedOver(from.advance(startOfData, used), from, to);
    assert.deepEqual(
      to.samplesAt(cursor, expected.length),
      expected.map(({ sample }) => sample),
    );
  }));
});

Deno.test("leaving out the places of the next batch goes on with the batch after it", () => {
  fc.assert(
    fc.property(settings, fc.nat(30), fc.integer({ min: 1, max: 9 }), (setting, used, size) => {
      const from = orderOf(setting);
      const cursor = from.advance(startOfData, used);
      const places = from.placesAt(cursor, size);
      assert.equal(places.reduce((sum, { count }) => sum + count, 0), size);
      const leftOut = bothLeftOut(setting.leftOut, { samples: [], places });
      const to = orderOf({ ...setting, leftOut });
      const after = carriedOver(cursor, from, to);
      assert.deepEqual(to.placeOf(after), from.placeOf(from.advance(cursor, size)));
      assert.deepEqual(to.samplesAt(after, 5), from.samplesAt(from.advance(cursor, size), 5));
    }),
  );
});

Deno.test("leaving nothing out is the data set's own order, whose cursors are its places", () => {
  fc.assert(fc.property(settings, fc.nat(100), (setting, count) => {
    const { samples, seed, shuffle } = setting;
    const plain = dataOrder({ samples, key: key(seed), shuffle });
    const order = orderOf({ ...setting, leftOut: nothingLeftOut });
    const cursor = plain.advance(startOfData, count);
    assert.deepEqual(order.advance(startOfData, count), cursor);
    assert.deepEqual(order.samplesAt(cursor, 20), plain.samplesAt(cursor, 20));
    assert.deepEqual(plain.placeOf(cursor), cursor);
    assert.deepEqual(plain.cursorAt(cursor), cursor);
  }));
});

Deno.test("what is left out twice is left out, in any order", () => {
  const twice = { samples: [3, 1, 3], places: [place(0, 4, 3), place(0, 2, 3), place(0, 4, 1)] };
  const once = { samples: [1, 3], places: [place(0, 2, 5)] };
  assert.deepEqual(bothLeftOut(twice, nothingLeftOut), once);
  const touching = { samples: [1], places: [place(0, 5, 2), place(0, 2, 3)] };
  assert.deepEqual(bothLeftOut(touching, { samples: [3], places: [] }), once);
  const [a, b] = [twice, once].map((leftOut) => orderOf({ ...ten, leftOut }));
  assert.deepEqual(a!.samplesAt(startOfData, 30), b!.samplesAt(startOfData, 30));
  assert.deepEqual(a!.samplesAt(startOfData, 11), [0, 7, 8, 9, 0, 2, 4, 5, 6, 7, 8]);
});

Deno.test("leaving samples out of 2^48 costs what is left out, anywhere in the data", () => {
  const samples = 2 ** 48;
  const sampleOf = permutation(foldIn(key(1), 3), samples);
  const leftOut = {
    samples: [sampleOf(samples - 2), sampleOf(5)],
    places: [place(3, 10, 2 ** 47)],
  };
  const order = dataOrder({ samples, key: key(1), shuffle: true, leftOut });
  const cursor = order.cursorAt({ epoch: 3, index: samples - 3 });
  assert.deepEqual(cursor, { epoch: 3, index: samples - 3 - 1 - 2 ** 47 });
  const taken = order.samplesAt(cursor, 2);
  assert.deepEqual(taken, [sampleOf(samples - 3), sampleOf(samples - 1)]);
  assert.deepEqual(order.advance(cursor, 2), { epoch: 4, index: 0 });
});

Deno.test("advance() past epochs of another length is exact near 2^53", () => {
  const most = Number.MAX_SAFE_INTEGER;
  const leftOut = { samples: [0], places: [place(7, 1, 2)] };
  const { advance } = orderOf({ samples: 4, seed: 0, shuffle: false, leftOut });
  // 3 samples an epoch, but 1 in epoch 7: most = 3 * 7 + 1 + 3 * n + rest.
  const rest = (most - 22) % 3;
  const epoch = 8 + (most - 22 - rest) / 3;
  assert.deepEqual(advance(startOfData, most), { epoch, index: rest });
});

Deno.test("an epoch of which nothing stays is passed over", () => {
  const leftOut = { samples: [], places: [place(0, 0, 10), place(2, 0, 10)] };
  const order = orderOf({ ...ten, leftOut });
  assert.deepEqual(order.advance(startOfData, 0), { epoch: 1, index: 0 });
  assert.deepEqual(order.advance(startOfData, 10), { epoch: 3, index: 0 });
  assert.deepEqual(order.cursorAt({ epoch: 2, index: 4 }), { epoch: 3, index: 0 });
  assert.deepEqual(order.samplesAt({ epoch: 1, index: 9 }, 2), [9, 0]);
});

Deno.test("dataOrder() refuses to leave out what is not there, or everything", () => {
  const refused: readonly [leftOut: Partial<LeftOut>, message: RegExp][] = [
    [{ samples: [3, 10] }, /^leftOut.samples\[1\]: expected an integer from 0 to 9, found 10$/],
    [{ samples: [-1] }, /^leftOut.samples\[0\]: .*found -1$/],
    [{ samples: [0.5] }, /^leftOut.samples\[0\]: .*found 0.5$/],
    [{ places: [place(-1, 0, 1)] }, /^leftOut.places\[0\].epoch: .*found -1$/],
    [{ places: [place(0, 10, 1)] }, /^leftOut.places\[0\].index: .* to 9, found 10$/],
    [{ places: [place(0, 0, 0)] }, /^leftOut.places\[0\].count: .*from 1 to 10, found 0$/],
    [{ places: [place(0, 8, 3)] }, /^leftOut.places\[0\].count: .*from 1 to 2, found 3$/],
    [
      { samples: [5, 5, 0, 1, 2, 3, 4, 6, 7, 8, 9] },
      /^leftOut.samples: expected to leave at least one of 10 samples in, found all of them$/,
    ],
  ];
  for (const [leftOut, message] of refused) {
    const refusal = { name: "RangeError", message };
    assert.throws(() => orderOf({ ...ten, leftOut: { ...nothingLeftOut, ...leftOut } }), refusal);
  }
});

Deno.test("a cursor beyond the samples that an epoch has left is refused", () => {
  const order = orderOf({ ...ten, leftOut: { samples: [1], places: [place(1, 0, 4)] } });
  const most = { 0: 8, 1: order.placesAt({ epoch: 1, index: 0 }, 1)[0]!.index === 4 ? 5 : 4 };
  for (const [epoch, index] of Object.entries(most).map(([e, i]) => [Number(e), i] as const)) {
    assert.doesNotThrow(() => order.samplesAt({ epoch, index }, 1));
    for (const ask of [order.samplesAt, order.advance, order.placesAt]) {
      assert.throws(() => ask({ epoch, index: index + 1 }, 1), {
        name: "RangeError",
        message: `cursor.index: expected an integer from 0 to ${index}, found ${index + 1}`,
      });
    }
    assert.throws(() => order.placeOf({ epoch, index: index + 1 }), RangeError);
  }
  assert.throws(() => order.cursorAt({ epoch: 0, index: 10 }), /place.index: .*found 10/);
  assert.throws(() => order.cursorAt({ epoch: -1, index: 0 }), /place.epoch: .*found -1/);
});

interface Setting {
  readonly samples: number;
  readonly seed: number;
  readonly shuffle: boolean;
  readonly leftOut: LeftOut;
}

const ten = { samples: 10, seed: 1, shuffle: false };

function place(epoch: number, index: number, count: number): LeftOut["places"][number] {
  return { epoch, index, count };
}

function orderOf({ samples, seed, shuffle, leftOut }: Setting): DataOrder {
  return dataOrder({ samples, key: key(seed), shuffle, leftOut });
}

interface Kept {
  readonly epoch: number;
  readonly place: number;
  readonly sample: number;
}

function nameOf({ epoch, place }: Kept): string {
  return `${epoch}/${place}`;
}

/** Every place of the first epochs whose sample stays, by looking at each of them. */
function naiveOrder({ samples, seed, shuffle, leftOut }: Setting): readonly Kept[] {
  return Array.from({ length: EPOCHS * samples }, (_, n): Kept => {
    const [epoch, place] = [Math.floor(n / samples), n % samples];
    const sample = shuffle ? permutation(foldIn(key(seed), epoch), samples)(place) : place;
    return { epoch, place, sample };
  }).filter(({ epoch, place, sample }) =>
    !leftOut.samples.includes(sample) &&
    !leftOut.places.some((range) =>
      range.epoch === epoch && range.index <= place && place < range.index + range.count
    )
  );
}

/** Samples that are not all of them, and places in the first epochs, now and then all of one. */
function leftOuts(samples: number): fc.Arbitrary<LeftOut> {
  const number = fc.nat(samples - 1);
  const range = fc.record({ epoch: fc.nat(4), index: number, count: fc.nat(samples) }).map(
    ({ epoch, index, count }) => ({ epoch, index, count: 1 + count % (samples - index) }),
  );
  const whole = fc.nat(4).map((epoch) => ({ epoch, index: 0, count: samples }));
  const places = fc.oneof({ weight: 4, arbitrary: range }, { weight: 1, arbitrary: whole });
  return fc.record({
    samples: fc.array(number).filter((numbers) => new Set(numbers).size < samples),
    places: fc.array(places, { maxLength: 5 }),
  });
}
