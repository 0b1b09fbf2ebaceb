import { packSnapshot } from "../../codec/snapshot_codec.ts";
import type { RunEvent, SnapshotMaterialized } from "../../core/event.ts";
import { initialState } from "../../core/evolve.ts";
import type { SnapshotRef } from "../../core/run_state.ts";
import { type Await, fail } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { TaskSource } from "../../ports/task.ts";
import { release } from "../../train/ownership.ts";
import { tensorsOf } from "../../train/train_state.ts";
import type { RunError } from "../errors/errors.ts";
import { plansOf } from "../training/plan.ts";
import type { RecordedRun } from "../reading/read_run.ts";
import { reachState } from "./reach_state.ts";
import { divergence, recorderAt } from "../training/recorder.ts";
import { requireComputedHere } from "../training/require_computed_here.ts";
import { restoreState } from "../training/restore_state.ts";
import { snapshotOf } from "../training/state_snapshot.ts";
import { takeStretches } from "../training/stretches.ts";

/**
 * Recomputes a snapshot that a log names, from the nearest state before it that can be had, and stores
 * it. All on the way is compared with the log, the snapshot too: it is stored only if it is the very
 * one. Fails with Diverged where it is not, and with ComputedElsewhere where its steps were computed in
 * another environment.
 */
export async function recreateSnapshot(
  env: RunEnv,
  { run, state: head, events }: RecordedRun,
  task: TaskSource,
  ref: SnapshotRef,
  get: Await<RunError>,
): Promise<void> {
  if (ref.reason === "materialized") {
    return await materializeAgain(env, { run, events, state: head }, task, ref, get);
  }
  const plans = plansOf(run, task);
  const contents = { base: initialState, events };
  const { snapshots } = head;
  const log = { recent: contents, whole: () => Promise.resolve(contents), snapshots };
  const restored = await restoreState(env, plans, log, ref.step);
  const { state } = restored;
  const isRef = ({ type, data }: RunEvent) =>
    type === "SnapshotTaken" && data.snapshot === ref.snapshot;
  requireComputedHere(env.device.environment, run, restored, ref.step, isRef);
  const recorder = recorderAt(restored);
  const heals = (snapshot: string) => snapshot === ref.snapshot;
  const loop = { env, run, plans, recorder, heals, get };
  release(tensorsOf(await takeStretches(loop, state, ref.step)));
}

/** No event of its step names it: its state is reached, and is the one that the log says or is not stored. */
async function materializeAgain(
  env: RunEnv,
  recorded: Pick<RecordedRun, "run" | "events" | "state">,
  task: TaskSource,
  ref: SnapshotRef,
  get: Await<RunError>,
): Promise<void> {
  const { state, plan, past } = await reachState(env, recorded, task, ref.step, get);
  try {
    const about = { task: plan.task.name, cursor: past.state.cursor, history: past.history };
    const snapshot = await snapshotOf(env.device, state, about);
    const { id, manifest } = packSnapshot(snapshot);
    const event = recorded.events.map(({ event }) => event).find((event) =>
      event.type === "SnapshotMaterialized" && event.data.snapshot === ref.snapshot
    ) as SnapshotMaterialized;
    if (id !== ref.snapshot) {
      const data = { ...event.data, snapshot: id, state: manifest.state };
      fail(divergence(event, { ...event, data }, ref.step));
    }
    (await get(env.store.snapshots.put(recorded.run, snapshot))).release();
  } finally {
    release(tensorsOf(state));
  }
}
