import type { DataCursor } from "./data_cursor.ts";
import { type Gaps, gapsAt, noGaps } from "./gaps.ts";
import {
  joinedPlaces,
  type LeftOut,
  nothingLeftOut,
  type PlaceRange,
  requireLeftOut,
} from "./left_out.ts";
import { inversePermutation, permutation } from "./permutation.ts";
import { requireInteger } from "./require_integer.ts";
import { foldIn, type RngKey } from "./rng_key.ts";

/**
 * In which order a training uses the samples of a data set, from any cursor on.
 *
 * The data set's **own order** has all samples in each epoch: place i of epoch e has the sample
 * `permutation(foldIn(key, e), samples)(i)`, or i itself without `shuffle`. An order passes over what it
 * leaves out, and its cursors count what stays; where nothing is left out they are the places themselves.
 * A batch that reaches the end of its epoch goes on in the next one, so all batches have one size.
 *
 * Every function throws a RangeError for a cursor, place or count that makes no sense.
 */
export interface DataOrder {
  /** The numbers of the `count` samples from `cursor` on, in [0, samples). */
  readonly samplesAt: (cursor: DataCursor, count: number) => readonly number[];
  /** The cursor `count` samples further, over as many epochs as that takes: by a and by b is by a + b. */
  readonly advance: (cursor: DataCursor, count: number) => DataCursor;
  /** The place in the data set's own order of the sample that a cursor stands before. */
  readonly placeOf: (cursor: DataCursor) => DataCursor;
  /** The first cursor at or after a place of the data set's own order. */
  readonly cursorAt: (place: DataCursor) => DataCursor;
  /** The places in the data set's own order of the `count` samples from `cursor` on. */
  readonly placesAt: (cursor: DataCursor, count: number) => readonly PlaceRange[];
}

/** What an order depends on. */
export interface DataOrderOptions {
  /** Samples of the data set. */
  readonly samples: number;
  /** Root of the orders of all epochs. */
  readonly key: RngKey;
  readonly shuffle: boolean;
  /** Nothing unless given. */
  readonly leftOut?: LeftOut | undefined;
}

/** Data sets of up to this many samples can be shuffled: see {@linkcode permutation}. */
const MAX_SAMPLES = 2 ** 48;

/** Epochs whose gaps are kept: a batch touches two, unless it is longer than an epoch. */
const KEPT_EPOCHS = 4;

/**
 * The order of a data set under a key. A pass over an epoch costs O(n log n) for n entries of `leftOut`,
 * once, and nothing is searched: the inverse permutation tells the places of the samples.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { key } from "./rng_key.ts";
 *
 * const leftOut = { samples: [2], places: [{ epoch: 0, index: 0, count: 1 }] };
 * const order = dataOrder({ samples: 4, key: key(42), shuffle: false, leftOut });
 * deepEqual(order.samplesAt({ epoch: 0, index: 0 }, 5), [1, 3, 0, 1, 3]);
 * deepEqual(order.advance({ epoch: 0, index: 0 }, 5), { epoch: 2, index: 0 });
 * ```
 * @throws {RangeError} unless 1 <= samples <= 2^48, and leftOut is of these samples and leaves one
 */
export function dataOrder(
  { samples, key, shuffle, leftOut = nothingLeftOut }: DataOrderOptions,
): DataOrder {
  requireInteger("samples", samples, 1, MAX_SAMPLES);
  requireLeftOut(leftOut, samples);
  const numbers = [...new Set(leftOut.samples)];
  const ranges = Map.groupBy(leftOut.places, ({ epoch }) => epoch);
  const irregular = [...ranges.keys()].sort((a, b) => a - b);
  const gaps = rememberLast(KEPT_EPOCHS, gapsOf);
  /** Samples of an epoch in which no places are skipped. */
  const regular = samples - numbers.length;

  function gapsOf(epoch: number): Gaps {
    const skipped = ranges.get(epoch) ?? [];
    if (numbers.length === 0 && skipped.length === 0) return noGaps;
    const placeOf = shuffle ? inversePermutation(foldIn(key, epoch), samples) : itself;
    return gapsAt([
      ...numbers.map((number) => placeOf(number)).map((place) => [place, place + 1] as const),
      ...skipped.map(({ index, count }) => [index, index + count] as const),
    ]);
  }

  function lengthOf(epoch: number): number {
    return ranges.has(epoch) ? samples - gaps(epoch).size : regular;
  }

  /** Index 0 of an epoch of which nothing stays is that of the next one. */
  function requireCursor({ epoch, index }: DataCursor, count: number): void {
    requireInteger("cursor.epoch", epoch, 0);
    requireInteger("cursor.index", index, 0, Math.max(1, lengthOf(epoch)) - 1);
    requireInteger("count", count, 0);
  }

  function advance(cursor: DataCursor, count: number): DataCursor {
    requireCursor(cursor, count);
    let { epoch, index } = cursor;
    let left = count;
    while (true) {
      if (ranges.has(epoch)) {
        const rest = lengthOf(epoch) - index;
        if (left < rest) return { epoch, index: index + left };
        left -= rest;
        epoch += 1;
      } else {
        const reached = advanceEvenly({ epoch, index }, left, regular);
        const stop = irregular.find((other) => other > epoch) ?? Infinity;
        if (reached.epoch < stop) return reached;
        left -= (stop - epoch - 1) * regular + (regular - index);
        epoch = stop;
      }
      index = 0;
    }
  }

  /** What stays of each epoch on the way: indices from `index` to before `end`. */
  function* stretches(cursor: DataCursor, count: number) {
    requireCursor(cursor, count);
    let { epoch, index } = cursor;
    let left = count;
    while (left > 0) {
      const end = Math.min(lengthOf(epoch), index + left);
      yield { epoch, index, end, placeOf: gaps(epoch).placeOf };
      left -= end - index;
      epoch += 1;
      index = 0;
    }
  }

  function samplesAt(cursor: DataCursor, count: number): readonly number[] {
    const taken: number[] = [];
    for (const { epoch, index, end, placeOf } of stretches(cursor, count)) {
      const sampleOf = shuffle ? permutation(foldIn(key, epoch), samples) : itself;
      for (let i = index; i < end; i++) taken.push(sampleOf(placeOf(i)));
    }
    return taken;
  }

  function placesAt(cursor: DataCursor, count: number): readonly PlaceRange[] {
    const places: PlaceRange[] = [];
    for (const { epoch, index, end, placeOf } of stretches(cursor, count)) {
      for (let i = index; i < end; i++) places.push({ epoch, index: placeOf(i), count: 1 });
    }
    return joinedPlaces(places);
  }

  function placeOf(cursor: DataCursor): DataCursor {
    const { epoch, index } = advance(cursor, 0);
    return { epoch, index: gaps(epoch).placeOf(index) };
  }

  function cursorAt(place: DataCursor): DataCursor {
    requireInteger("place.epoch", place.epoch, 0);
    requireInteger("place.index", place.index, 0, samples - 1);
    const { epoch } = place;
    const index = gaps(epoch).indexAt(place.index);
    return index < lengthOf(epoch) ? { epoch, index } : advance({ epoch: epoch + 1, index: 0 }, 0);
  }

  return { samplesAt, advance, placeOf, cursorAt, placesAt };
}

/**
 * The cursor of order `to` that goes on where a cursor of order `from` stands, both of one data set and
 * key. What `to` leaves out besides is never used from here on, what `from` has used already is not
 * repeated, and nothing else is skipped.
 */
export function carriedOver(cursor: DataCursor, from: DataOrder, to: DataOrder): DataCursor {
  return to.cursorAt(from.placeOf(cursor));
}

/** Advances where every epoch has `length` samples, in one go. */
function advanceEvenly(cursor: DataCursor, count: number, length: number): DataCursor {
  const rest = count % length;
  const epochs = (count - rest) / length;
  const index = cursor.index + rest;
  const next = index < length
    ? { epoch: cursor.epoch + epochs, index }
    : { epoch: cursor.epoch + epochs + 1, index: index - length };
  requireInteger("epoch reached", next.epoch, 0);
  return next;
}

function itself(place: number): number {
  return place;
}

/** A function of integers that computes no value again that is among the last few it was asked for. */
function rememberLast<A>(most: number, compute: (n: number) => A): (n: number) => A {
  const known = new Map<number, A>();
  return (n) => {
    const before = known.get(n);
    if (before !== undefined) return before;
    const value = compute(n);
    if (known.size === most) known.delete(known.keys().next().value!);
    known.set(n, value);
    return value;
  };
}
