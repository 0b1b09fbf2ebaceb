import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { decide } from "../../core/decide.ts";
import type { Digest } from "../../core/digest.ts";
import type { RunEvent, SnapshotMaterialized } from "../../core/event.ts";
import type { RecordedEvent } from "../../core/recorded_event.ts";
import type { RunState } from "../../core/run_state.ts";
import { livePath } from "../../core/live_path.ts";
import type { RunId } from "../../core/run_id.ts";
import type { SnapshotId } from "../../core/snapshot.ts";
import { attempt, type Await, fail } from "../../ports/attempt.ts";
import type { LogWriter } from "../../ports/event_log.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { TaskSource } from "../../ports/task.ts";
import type { HostBatch } from "../../train/loss.ts";
import { release } from "../../train/ownership.ts";
import { tensorsOf } from "../../train/train_state.ts";
import type { Tree } from "../../train/tree.ts";
import { checkSnapshot } from "../upkeep/check_snapshot.ts";
import type { RunError } from "../errors/errors.ts";
import { stepAt } from "./place_in_run.ts";
import { readRun, type RecordedRun } from "../reading/read_run.ts";
import { type ReachedState, reachState, type Recomputation } from "./reach_state.ts";
import { recordedInFull } from "./recorded_in_full.ts";
import { divergence } from "../training/recorder.ts";
import { bytesOfFiles } from "../upkeep/snapshot_bytes.ts";
import { digestOfState, snapshotOf } from "../training/state_snapshot.ts";

/** What became of a snapshot that was asked for. */
export interface MaterializeReport {
  readonly run: RunId;
  readonly step: number;
  readonly id: SnapshotId;
  /** Of its files and its manifest's, before what other snapshots have too. */
  readonly bytes: number;
  /** Absent where the run kept it, every byte right. */
  readonly recomputation?: Recomputation;
}

/**
 * Has the snapshot of any step of a run's live branch: where it is not kept, or cannot be read, it is made
 * by recomputation, all of which is compared with the log, and kept from then on.
 *
 * `at` is a step or a place by name ("best", "step-001200"). Fails with RunLocked while someone trains the
 * run, with NoPlace for a step that the run died in, and as `reachState` does.
 */
export function materialize<P extends Tree, B extends HostBatch>(
  env: RunEnv,
  run: RunId,
  task: TaskSource<P, B>,
  at: number | string,
): TaskEither<RunError, MaterializeReport> {
  return attempt<RunError, MaterializeReport>(async (get) => {
    await env.device.activate();
    await get(readRun(env.store, run)); // a run that is not there would be made
    const writer = await get(env.store.log.open(run));
    try {
      const recorded = await get(readRun(env.store, run));
      const step = stepAt(recorded, at);
      const kept = recorded.state.snapshots.find((ref) => ref.step === step);
      if (kept !== undefined && await get(checkSnapshot(env.store, kept)) === undefined) {
        const manifest = await get(env.store.snapshots.manifest(kept.snapshot));
        return { run, step, id: kept.snapshot, bytes: bytesOfFiles(manifest) };
      }
      const reached = await reachState(env, recorded, task as TaskSource, step, get);
      try {
        requireAllOf(recorded, reached);
        return await store(env, recorded, reached, writer, get);
      } finally {
        release(tensorsOf(reached.state));
      }
    } finally {
      await writer.close()();
    }
  });
}

/** Who goes on from a snapshot goes on with the next step: nothing of this one may be left to record. */
function requireAllOf(
  { run, events, state: head }: RecordedRun,
  { plan, past }: ReachedState,
): void {
  const { step, position } = past;
  if (step < head.step) return;
  const path = livePath(events).filter((placed) => placed.position < position);
  if (recordedInFull(plan, past, path.map(({ event }) => event))) return;
  const reason = "it died before all of that step was recorded: continue it first, " +
    "if only up to there";
  fail({ type: "NoPlace", run, at: String(step), reason } satisfies RunError);
}

async function store(
  env: RunEnv,
  { run, events, state: head }: RecordedRun,
  { state, plan, past, recomputation }: ReachedState,
  writer: LogWriter,
  get: Await<RunError>,
): Promise<MaterializeReport> {
  const { cursor, lastLoss, lastEvaluation } = past.state;
  const { step, position, history } = past;
  const about = { task: plan.task.name, cursor, history };
  const snapshot = await snapshotOf(env.device, state, about);
  requireRecorded(events, head, step, digestOfState(snapshot));
  const { snapshots } = env.store;
  const stored = await get(snapshots.put(undefined, snapshot)); // shown once the log names it
  try {
    const { id, manifest } = stored;
    const data: SnapshotMaterialized["data"] = {
      step,
      snapshot: id,
      state: manifest.state,
      position,
      ...cursor,
      ...(lastLoss?.step === step && { loss: lastLoss.loss }),
      ...(lastEvaluation?.step === step && { evaluation: lastEvaluation.loss }),
    };
    const events = decide({ type: "RecordMaterialized", data }, head);
    if (E.isLeft(events)) return fail(events.left);
    await get(writer.append(events.right, head.version));
    await get(writer.flush());
    const shown = await snapshots.put(run, { ...snapshot, groups: stored.groups })();
    if (E.isRight(shown)) shown.right.release();
    return { run, step, id, bytes: bytesOfFiles(manifest), recomputation };
  } finally {
    stored.release();
  }
}

/** Fails with Diverged where the log names a snapshot of the step, and it is of another state. */
function requireRecorded(
  events: readonly RecordedEvent[],
  { snapshots }: RunState,
  step: number,
  digest: Digest,
): void {
  const kept = snapshots.find((ref) => ref.step === step);
  if (kept === undefined || kept.state === digest) return;
  const named =
    events.findLast(({ event: { type, data } }) =>
      (type === "SnapshotTaken" || type === "SnapshotMaterialized") &&
      data.snapshot === kept.snapshot
    )!.event;
  const actual = { ...named, data: { ...named.data, state: digest } } as RunEvent;
  fail(divergence(named, actual, step));
}
