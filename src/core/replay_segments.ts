import type { Digest } from "./digest.ts";
import type { RunState } from "./run_state.ts";

/**
 * A part of a run between two states that it kept, which can be recomputed apart from the others: from the
 * initial state or a snapshot to the next snapshot, or to the head of the log.
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
  /** How many of the run's events belong to its end and what is before it. */
  readonly end: number;
  /** What the state at its end is compared with; none at the head of the log. */
  readonly state?: Digest;
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
  const refs = head.snapshots.filter(({ step }) => 0 < step && step < head.step);
  const byStep = new Map(
    refs.filter(({ step }) => !unusable.has(step)).map((ref) => [ref.step, ref]),
  );
  const kept = [...byStep.values()].sort((a, b) => a.step - b.step);
  const ends = [
    ...kept.map(({ step, position, state }) => ({ to: step, end: position + 1, state })),
    { to: head.step, end: head.version },
  ];
  return ends.map((end, i) => ({ number: i + 1, from: i === 0 ? 0 : ends[i - 1]!.to, ...end }));
}

/** The steps that are asked for: none means all. */
export interface StepRange {
  /** The step of the state to begin with, at the latest; 0 unless given. */
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
  { from = 0, to = Infinity }: StepRange,
): readonly ReplaySegment[] {
  if (from === 0 && to === Infinity) return segments;
  const first = Math.min(from, to - 1);
  return segments.filter((segment) => segment.to > first && segment.from < to);
}
