import { type Environment, environmentChanges } from "../core/environment.ts";
import { isStep, type RunEvent } from "../core/event.ts";
import { initialState } from "../core/evolve.ts";
import type { RunId } from "../core/run_id.ts";
import type { SnapshotRef } from "../core/run_state.ts";
import { type Await, fail } from "../ports/attempt.ts";
import type { RunEnv } from "../ports/run_env.ts";
import type { TaskSource } from "../ports/task.ts";
import { release, releaseOnThrow } from "../train/ownership.ts";
import { tensorsOf } from "../train/train_state.ts";
import type { RunError } from "./errors.ts";
import { plansOf } from "./plan.ts";
import type { RecordedRun } from "./read_run.ts";
import { recorderFrom } from "./recorder.ts";
import { type RestoredState, restoreState } from "./restore_state.ts";
import { takeStretches } from "./stretches.ts";

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
  const plans = plansOf(run, task);
  const contents = { base: initialState, events };
  const { snapshots } = head;
  const log = { recent: contents, whole: () => Promise.resolve(contents), snapshots };
  const restored = await restoreState(env, plans, log, ref.step);
  const { state, runState, history, pending } = restored;
  releaseOnThrow(
    tensorsOf(state),
    () => requireComputedIn(env.device.environment, run, restored, ref),
  );
  const recorder = recorderFrom({ state: runState, history, pending });
  const heals = (snapshot: string) => snapshot === ref.snapshot;
  const loop = { env, run, plans, recorder, heals, get };
  release(tensorsOf(await takeStretches(loop, state, ref.step)));
}

/** What has to be recomputed can be compared only where it was computed. */
function requireComputedIn(
  here: Environment,
  run: RunId,
  { state, runState, pending }: RestoredState,
  ref: SnapshotRef,
): void {
  let environment = runState.environment!;
  for (const event of pending) {
    if (event.type === "SnapshotTaken" && event.data.snapshot === ref.snapshot) return;
    environment = environmentAfter(event) ?? environment;
    if (!isStep(event) || environmentChanges(environment, here).length === 0) continue;
    const { backend } = environment;
    fail({ type: "ComputedElsewhere", run, from: state.step + 1, to: ref.step, backend });
  }
}

function environmentAfter(event: RunEvent): Environment | undefined {
  return event.type === "RunResumed" ? event.data.environment : undefined;
}
