import { requireInteger } from "./require_integer.ts";

/** What a training goes without, as if it were not in the data set. */
export interface LeftOut {
  /** Numbers of samples (0 to the data set's `samples` - 1) that are left out of every epoch. */
  readonly samples: readonly number[];
  /** Places of the data set's own order, in one epoch each, that are skipped. */
  readonly places: readonly PlaceRange[];
}

/** `count` places of the data set's own order (shuffled, nothing left out) of `epoch`, from `index` on. */
export interface PlaceRange {
  readonly epoch: number;
  readonly index: number;
  readonly count: number;
}

/** What leaves nothing out. */
export const nothingLeftOut: LeftOut = { samples: [], places: [] };

/**
 * What both leave out, in one form whatever the order and the overlaps: samples in ascending order,
 * each once; places by epoch and index, those that touch or overlap as one range.
 */
export function bothLeftOut(a: LeftOut, b: LeftOut): LeftOut {
  const samples = new Set([...a.samples, ...b.samples]);
  return {
    samples: [...samples].sort((x, y) => x - y),
    places: joinedPlaces([...a.places, ...b.places]),
  };
}

/** The same places by epoch and index, those that touch or overlap as one range. */
export function joinedPlaces(places: readonly PlaceRange[]): readonly PlaceRange[] {
  const sorted = [...places].sort((x, y) => x.epoch - y.epoch || x.index - y.index);
  const ranges: PlaceRange[] = [];
  for (const { epoch, index, count } of sorted) {
    const last = ranges.at(-1);
    if (last?.epoch === epoch && index <= last.index + last.count) {
      const end = Math.max(last.index + last.count, index + count);
      ranges[ranges.length - 1] = { ...last, count: end - last.index };
    } else {
      ranges.push({ epoch, index, count });
    }
  }
  return ranges;
}

/**
 * Refuses what cannot be left out of a data set of `samples`. What is left out twice is left out.
 *
 * @throws {RangeError} that names the entry, or says that no sample is left
 */
export function requireLeftOut({ samples: numbers, places }: LeftOut, samples: number): void {
  for (const [n, number] of numbers.entries()) {
    requireInteger(`leftOut.samples[${n}]`, number, 0, samples - 1);
  }
  for (const [n, { epoch, index, count }] of places.entries()) {
    requireInteger(`leftOut.places[${n}].epoch`, epoch, 0);
    requireInteger(`leftOut.places[${n}].index`, index, 0, samples - 1);
    requireInteger(`leftOut.places[${n}].count`, count, 1, samples - index);
  }
  if (numbers.length >= samples && new Set(numbers).size === samples) {
    throw new RangeError(
      `leftOut.samples: expected to leave at least one of ${samples} samples in, found all of them`,
    );
  }
}
