import type { RunState } from "./run_state.ts";

/**
 * A part of a run between two states that it kept, which can be recomputed apart from the others: from the
 * initial state or a snapshot to the next snapshot, or to the head of the log. Of a run that went back it
 * is a part of the live path.
 *
 * The state at its end is compared too, and it is the one that the next segment starts from: so where all
 * segments are as recorded, the whole run is, by induction.
 */
export interface ReplaySegment {
  /** Its place among the segments of the run; the first is 1. */
  readonly number: number;
  /** The step of the state that it starts from: the first that is recomputed is the next. */
  readonly from: number;
  /** The last step that is recomputed. */
  readonly to: number;
  /** The position in the log that follows its last event. */
  readonly end: number;
  /** The branch that it is of, by its number, where the run has left that. */
  readonly branch?: number;
}

/**
 * The segments of a run, whose fold is `head`, in order. One at least, also of a run without steps.
 *
 * A snapshot at a step of `unusable` is no start: the segment before it goes on beyond it. Nor is one of
 * the last step: it, and what the log says after it, is compared by the segment that leads to it.
 */
export function replaySegments(
  head: RunState,
  unusable: ReadonlySet<number> = new Set(),
): readonly ReplaySegment[] {
  const first = firstStep(head);
  const refs = head.snapshots.filter(({ step }) =>
    first < step && step < head.step && !unusable.has(step)
  );
  const ends = [...new Map(refs.map(({ step, position }) => [step, position + 1]))]
    .sort(([a], [b]) => a - b);
  ends.push([head.step, head.version]);
  return ends.map(([to, end], i) => {
    return { number: i + 1, from: i === 0 ? first : ends[i - 1]![0], to, end };
  });
}

/** The step of the state that a run begins with: 0, unless it is a fork. */
export function firstStep({ origin }: RunState): number {
  return origin?.step ?? 0;
}

/** The steps that are asked for: none means all. */
export interface StepRange {
  /** The step of the state to begin with, at the latest; the run's first unless given. */
  readonly from?: number;
  /** The last step; the head of the log unless given. */
  readonly to?: number;
}

/**
 * The segments that lead from the state at step `from` to that at step `to`: the first begins at the
 * nearest start at or before `from`, the last ends at or after `to`. Where both are one step, that step
 * is recomputed.
 */
export function segmentsWithin(
  segments: readonly ReplaySegment[],
  { from, to }: StepRange,
): readonly ReplaySegment[] {
  if (from === undefined && to === undefined) return segments;
  const first = Math.min(from ?? -Infinity, (to ?? Infinity) - 1);
  return segments.filter((segment) => segment.to > first && segment.from < (to ?? Infinity));
}
