import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { checkpointNames } from "../../core/file_progress.ts";
import { historyRows } from "../../core/history_rows.ts";
import { project } from "../../core/projection.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunState, SnapshotRef } from "../../core/run_state.ts";
import { attempt } from "../../ports/attempt.ts";
import type { Store } from "../../ports/store.ts";
import type { RunError } from "../errors/errors.ts";
import { snapshotBytes } from "../upkeep/snapshot_bytes.ts";
import { readRun } from "./read_run.ts";

/** A snapshot that a run can be resumed from, with what people want to know of it. */
export interface Checkpoint {
  readonly ref: SnapshotRef;
  /** As people name it: "step-000050", or "checkpoint-epoch0-step50-files3" of a run that reads files in order. */
  readonly name: string;
  /** When its state was recorded. */
  readonly recordedAt: string;
  /** The rate of its step; undefined for a state that the run only begins with. */
  readonly learningRate: number | undefined;
  /** What its files take; undefined where its manifest cannot be read. */
  readonly bytes: number | undefined;
  /** Whether all of its bytes are there and right. */
  readonly readable: boolean;
}

/** The checkpoints of a run, oldest first: all of them, or the newest alone. Reads every byte of them. */
export function listCheckpoints(
  store: Store,
  run: RunId,
  { latest = false }: { readonly latest?: boolean } = {},
): TaskEither<RunError, { readonly state: RunState; readonly checkpoints: readonly Checkpoint[] }> {
  return attempt<RunError, { state: RunState; checkpoints: readonly Checkpoint[] }>(async (get) => {
    const { events, state } = await get(readRun(store, run));
    const rows = project(historyRows, events.map(({ event }) => event));
    const rates = new Map(rows.map(({ step, learningRate }) => [step, learningRate]));
    const nameOf = checkpointNames(state);
    const checkpoints: Checkpoint[] = [];
    for (const ref of latest ? state.snapshots.slice(-1) : state.snapshots) {
      checkpoints.push({
        ref,
        name: nameOf(ref),
        recordedAt: events[ref.position]!.recordedAt,
        learningRate: rates.get(ref.step),
        bytes: await snapshotBytes(store, ref.snapshot),
        readable: E.isRight(await store.snapshots.get(ref.snapshot)()),
      });
    }
    return { state, checkpoints };
  });
}
