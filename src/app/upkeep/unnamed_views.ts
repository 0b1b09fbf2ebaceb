import type { TaskEither } from "fp-ts/TaskEither.js";
import { isStep } from "../../core/event.ts";
import { initialState } from "../../core/evolve.ts";
import type { RunId } from "../../core/run_id.ts";
import { keptSnapshots } from "../../core/run_state.ts";
import { attempt } from "../../ports/attempt.ts";
import type { LogContents } from "../../ports/event_log.ts";
import type { ShownSnapshot } from "../../ports/snapshot_store.ts";
import type { Store } from "../../ports/store.ts";
import type { RunError } from "../errors/errors.ts";
import { readRun } from "../reading/read_run.ts";

/** A snapshot in the view of a run whose log tells nothing of it. */
export interface UnnamedView extends ShownSnapshot {
  /** The highest step in the log, of any branch: a view beyond it tells of steps that the log has lost. */
  readonly head: number;
}

/**
 * The snapshots that a run's view shows and that its log tells nothing of, beside the one that a
 * process may be storing, or was when it was killed: its step is the last in the log.
 */
export function unnamedViews(
  store: Store,
  run: RunId,
): TaskEither<RunError, readonly UnnamedView[]> {
  return attempt<RunError, readonly UnnamedView[]>(async (get) => {
    const shown = await get(store.snapshots.shown(run)); // before the log: a view precedes its event
    if (shown.length === 0) return [];
    const { events, state } = await get(readRun(store, run));
    const steps = events.map(({ event }) => isStep(event) ? event.data.step : 0);
    const head = steps.reduce((highest, step) => Math.max(highest, step), state.step);
    return unnamed(shown, { base: initialState, events })
      .filter(({ step }) => !(step === state.step && state.status === "running"))
      .map((view) => ({ ...view, head }));
  });
}

/** Those of steps that a log names no snapshot of: none taken, none pruned, none that failed. */
export function unnamed(
  shown: readonly ShownSnapshot[],
  { base, events }: Pick<LogContents, "base" | "events">,
): readonly ShownSnapshot[] {
  const named = new Set(keptSnapshots(base).map(({ step }) => step));
  for (const { event: { type, data } } of events) {
    switch (type) {
      case "SnapshotTaken":
      case "SnapshotFailed":
      case "SnapshotPruned":
      case "SnapshotMaterialized":
        named.add(data.step);
    }
    if (type === "RunStarted" && data.origin) named.add(data.origin.step);
  }
  return shown.filter(({ step }) => !named.has(step));
}
