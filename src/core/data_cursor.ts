import { permutation } from "./permutation.ts";
import { requireInteger } from "./require_integer.ts";
import { foldIn, type RngKey } from "./rng_key.ts";

/**
 * A position in the data: `index` samples of epoch `epoch` are consumed, 0 <= index < samples.
 *
 * An epoch is one pass over all samples. The end of an epoch is index 0 of the next one, so every
 * position has one cursor. Two integers are all that a resume needs: nothing is skipped or replayed.
 */
export interface DataCursor {
  readonly epoch: number;
  readonly index: number;
}

/** The position before the first sample. */
export const startOfData: DataCursor = { epoch: 0, index: 0 };

/** Data sets of up to this many samples can be shuffled: see {@linkcode permutation}. */
const MAX_SAMPLES = 2 ** 48;

/**
 * The cursor `count` samples further in a data set of `samples`, over as many epochs as that takes.
 *
 * Advancing by a and then by b is advancing by a + b.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 *
 * deepEqual(advance({ epoch: 0, index: 8 }, 4, 10), { epoch: 1, index: 2 });
 * ```
 * @throws {RangeError} unless 1 <= samples <= 2^48, cursor.index < samples, and the rest are counts
 */
export function advance(cursor: DataCursor, count: number, samples: number): DataCursor {
  requirePosition(cursor, count, samples);
  const rest = count % samples;
  const epochs = (count - rest) / samples;
  const index = cursor.index + rest;
  const next = index < samples
    ? { epoch: cursor.epoch + epochs, index }
    : { epoch: cursor.epoch + epochs + 1, index: index - samples };
  requireInteger("epoch reached", next.epoch, 0);
  return next;
}

/**
 * The data-set indices of the `count` samples from `cursor` on, in [0, samples).
 *
 * Sample i of epoch e is `permutation(foldIn(key, e), samples)(i)`, or i itself without `shuffle`. A
 * batch that reaches the end of its epoch goes on in the next one, so all batches have one size and
 * every epoch has every sample exactly once. The next batch starts at {@linkcode advance}.
 *
 * @throws {RangeError} unless 1 <= samples <= 2^48, cursor.index < samples, and the rest are counts
 */
export function samplesAt(
  cursor: DataCursor,
  count: number,
  samples: number,
  key: RngKey,
  shuffle: boolean,
): readonly number[] {
  requirePosition(cursor, count, samples);
  const taken: number[] = [];
  let { epoch, index } = cursor;
  while (taken.length < count) {
    const sampleOf = shuffle ? permutation(foldIn(key, epoch), samples) : (place: number) => place;
    const end = Math.min(samples, index + count - taken.length);
    while (index < end) taken.push(sampleOf(index++));
    epoch += 1;
    index = 0;
  }
  return taken;
}

function requirePosition(cursor: DataCursor, count: number, samples: number): void {
  requireInteger("samples", samples, 1, MAX_SAMPLES);
  requireInteger("cursor.epoch", cursor.epoch, 0);
  requireInteger("cursor.index", cursor.index, 0, samples - 1);
  requireInteger("count", count, 0);
}
