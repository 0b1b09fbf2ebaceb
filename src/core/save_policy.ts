import type { RunConfig } from "./config.ts";
import type { SnapshotReason } from "./event.ts";

/** When snapshots are due. Depends on the step alone, so that equal trainings save at equal steps. */
export type SavePolicy = (step: number) => SnapshotReason | undefined;

/**
 * A snapshot every `save.every` steps, and one at the last step of the plan. Where snapshots are spaced
 * by measured time (`isSaveDue`), the last alone.
 */
export function savePolicy(config: Pick<RunConfig, "save" | "steps">): SavePolicy {
  const { save, steps } = config;
  const every = savesByTime(config) ? 0 : save.every;
  return (step) => {
    if (step === steps.max) return "final";
    return every > 0 && step > 0 && step % every === 0 ? "scheduled" : undefined;
  };
}

/** Whether snapshots are spaced by measured time. */
export function savesByTime({ save }: Pick<RunConfig, "save">): boolean {
  return save.maxReplaySeconds > 0;
}

/** What a training measured since its last snapshot, in milliseconds. */
export interface SaveTimes {
  /** What the steps since the last snapshot took: what a resume would take to recompute them. */
  readonly steps: number;
  /** What the last snapshot held the training up; 0 where none was taken yet. */
  readonly snapshot: number;
}

/**
 * Whether a snapshot is due by measured time: when the steps since the last one took
 * `save.maxReplaySeconds`, and long enough for a snapshot to be no more than `save.maxOverhead` of them.
 *
 * The share wins: where both cannot be had, more is recomputed after a kill. Never where
 * `save.maxReplaySeconds` is 0.
 */
export function isSaveDue(config: Pick<RunConfig, "save">, times: SaveTimes): boolean {
  const { maxReplaySeconds, maxOverhead } = config.save;
  if (!savesByTime(config)) return false;
  return times.steps >= Math.max(maxReplaySeconds * 1000, times.snapshot / maxOverhead);
}
