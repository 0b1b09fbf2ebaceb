import type { TaskEither } from "fp-ts/TaskEither.js";
import { nearest } from "../../core/nearest.ts";
import type { RecordedEvent } from "../../core/recorded_event.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunState } from "../../core/run_state.ts";
import { paramsOf, type TensorGroup } from "../../core/snapshot.ts";
import { attempt, type Await, fail } from "../../ports/attempt.ts";
import type { LogContents, TornTail } from "../../ports/event_log.ts";
import { foldOf } from "../../ports/fold_log.ts";
import type { Store } from "../../ports/store.ts";
import type { RunError } from "../errors/errors.ts";

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
    const contents = await get(store.log.read(run));
    const state = await stateOf(store, run, contents, get);
    const { events, torn } = contents;
    return { run, events, state, ...(torn && { torn }) };
  });
}

/** What a run amounts to, and between which envelopes. */
export interface RunHead extends Required<Pick<LogContents, "ends">>, Pick<LogContents, "torn"> {
  readonly state: RunState;
}

/** The state of a run that must exist, from the end of its log: as quickly as the log can tell it. */
export function readHead(store: Store, run: RunId): TaskEither<RunError, RunHead> {
  return attempt<RunError, RunHead>(async (get) => {
    const contents = await get(store.log.recent(run));
    const state = await stateOf(store, run, contents, get);
    const { ends, torn } = contents;
    return { state, ends: ends!, ...(torn && { torn }) };
  });
}

async function stateOf(
  store: Store,
  run: RunId,
  contents: LogContents,
  get: Await<RunError>,
): Promise<RunState> {
  const state = foldOf(contents);
  if (state.version > 0) return state;
  return fail({ type: "RunMissing", run, near: nearest(run, await get(store.log.runs())) });
}

/**
 * The parameters of a run's newest snapshot in host memory, trained and frozen ones, by path, every byte
 * checked.
 *
 * Fails with SnapshotMissing where the run has none yet.
 */
export function readParams(store: Store, run: RunId): TaskEither<RunError, TensorGroup> {
  return attempt<RunError, TensorGroup>(async (get) => {
    const { state } = await get(readHead(store, run));
    const newest = state.snapshots.at(-1);
    if (newest === undefined) {
      return fail({ type: "SnapshotMissing", id: "none", place: `a snapshot of run "${run}"` });
    }
    return paramsOf(await get(store.snapshots.get(newest.snapshot)));
  });
}
