import type { TaskEither } from "fp-ts/TaskEither.js";
import { evolve, initialState } from "../core/evolve.ts";
import { nearest } from "../core/nearest.ts";
import type { RecordedEvent } from "../core/recorded_event.ts";
import type { RunId } from "../core/run_id.ts";
import type { RunState } from "../core/run_state.ts";
import type { TensorGroup } from "../core/snapshot.ts";
import { attempt, fail } from "../ports/attempt.ts";
import type { TornTail } from "../ports/event_log.ts";
import type { Store } from "../ports/store.ts";
import type { RunError } from "./errors.ts";

/** A run as its log tells it. */
export interface RecordedRun {
  readonly run: RunId;
  readonly events: readonly RecordedEvent[];
  readonly state: RunState;
  readonly torn?: TornTail;
}

/** Reads a run that must exist, its chain checked. */
export function readRun(store: Store, run: RunId): TaskEither<RunError, RecordedRun> {
  return attempt<RunError, RecordedRun>(async (get) => {
    const { events, torn } = await get(store.log.read(run));
    if (events.length === 0) {
      return fail({ type: "RunMissing", run, near: nearest(run, await get(store.log.runs())) });
    }
    const state = events.reduce((folded, { event }) => evolve(folded, event), initialState);
    return { run, events, state, ...(torn && { torn }) };
  });
}

/**
 * The parameters of a run's newest snapshot in host memory, by path, every byte checked.
 *
 * Fails with SnapshotMissing where the run has none yet.
 */
export function readParams(store: Store, run: RunId): TaskEither<RunError, TensorGroup> {
  return attempt<RunError, TensorGroup>(async (get) => {
    const { state } = await get(readRun(store, run));
    const newest = state.snapshots.at(-1);
    if (newest === undefined) {
      return fail({ type: "SnapshotMissing", id: "none", place: `a snapshot of run "${run}"` });
    }
    const snapshot = await get(store.snapshots.get(newest.snapshot));
    return snapshot.groups["model"] ?? new Map();
  });
}
