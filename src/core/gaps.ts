import { lastUpTo } from "./last_up_to.ts";

/** Places that are passed over in a row of places 0, 1, 2 ...: what stays is counted by an index of its own. */
export interface Gaps {
  /** How many places are passed over. */
  readonly size: number;
  /** The place of what stays at `index`. */
  readonly placeOf: (index: number) => number;
  /** The index of the first that stays at or after `place`. */
  readonly indexAt: (place: number) => number;
}

/** Where nothing is passed over. */
export const noGaps: Gaps = { size: 0, placeOf: (index) => index, indexAt: (place) => place };

/**
 * The gaps at these places: ranges of `[first, end)` in any order, which may overlap.
 *
 * Takes O(n log n) for n ranges, and then O(log n) a question.
 */
export function gapsAt(ranges: readonly (readonly [first: number, end: number])[]): Gaps {
  if (ranges.length === 0) return noGaps;
  const firsts: number[] = [];
  const ends: number[] = [];
  for (const [first, end] of [...ranges].sort(([a], [b]) => a - b)) {
    const last = ends.length - 1;
    if (last >= 0 && first <= ends[last]!) ends[last] = Math.max(ends[last]!, end);
    else {
      firsts.push(first);
      ends.push(end);
    }
  }
  // Up to the end of gap n so many are passed over, and before it so many stay.
  const passed: number[] = [];
  const stay: number[] = [];
  let size = 0;
  for (const [n, first] of firsts.entries()) {
    stay.push(first - size);
    size += ends[n]! - first;
    passed.push(size);
  }
  return {
    size,
    placeOf: (index) => {
      const n = lastUpTo(stay, index);
      return n < 0 ? index : index + passed[n]!;
    },
    indexAt: (place) => {
      const n = lastUpTo(firsts, place);
      return n < 0 ? place : Math.max(place, ends[n]!) - passed[n]!;
    },
  };
}
