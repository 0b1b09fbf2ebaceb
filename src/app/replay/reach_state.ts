import { initialState } from "../../core/evolve.ts";
import type { Await } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { TaskSource } from "../../ports/task.ts";
import type { TrainState } from "../../train/train_state.ts";
import type { RunError } from "../errors/errors.ts";
import { type Plan, plansOf } from "../training/plan.ts";
import { placeAt } from "./place_in_run.ts";
import type { RecordedRun } from "../reading/read_run.ts";
import { recorderAt } from "../training/recorder.ts";
import { requireComputedHere } from "../training/require_computed_here.ts";
import { restoreState } from "../training/restore_state.ts";
import type { PastState } from "./rewind.ts";
import type { WatchedStep } from "../training/step_loop.ts";
import { takeStretches } from "../training/stretches.ts";

/** How much of a run was recomputed to reach a state; all that was compared was equal. */
export interface Recomputation {
  /** Step of the snapshot that it began from; that at which the run begins, where there was none. */
  readonly snapshot: number;
  readonly steps: number;
  /** Events that were compared, and those of them that have a fingerprint of the state. */
  readonly compared: number;
  readonly fingerprints: number;
}

/** A state of a run, as its log says that it was. */
export interface ReachedState {
  /** Owned by the caller. */
  readonly state: TrainState;
  readonly plan: Plan;
  readonly past: PastState;
  readonly recomputation: Recomputation;
}

/** How a state is reached. */
export interface ReachOptions {
  /** Begin at the newest snapshot at or before this step; that which is asked for, unless given. */
  readonly from?: number;
  /** Shown every step on the way, once it is compared. */
  readonly watch?: (step: WatchedStep) => Promise<void>;
}

/**
 * The state of a run after any step of its live branch, or at a place by name (`placeAt`): from the nearest snapshot at or before it, by
 * recomputing what lies between, all of it compared with the log. Writes nothing.
 *
 * Fails with NoPlace where the live branch does not have the step, with Diverged at the first difference,
 * and with ComputedElsewhere where a step on the way was computed in another environment.
 */
export async function reachState(
  env: RunEnv,
  { run, events, state: head }: Pick<RecordedRun, "run" | "events" | "state">,
  source: TaskSource,
  at: number | string,
  get: Await<RunError>,
  { from, watch }: ReachOptions = {},
): Promise<ReachedState> {
  const past = placeAt({ run, events, state: head }, at);
  const { step } = past;
  const plans = plansOf(run, source);
  const contents = { base: initialState, events };
  const log = {
    recent: contents,
    whole: () => Promise.resolve(contents),
    snapshots: head.snapshots.filter(({ position }) => position < past.position),
    end: past.position,
    proves: true,
  };
  const restored = await restoreState(env, plans, log, from ?? step);
  requireComputedHere(env.device.environment, run, restored, step);
  const { state: start } = restored;
  const recorder = recorderAt(restored);
  const loop = { env, run, plans, recorder, heals: () => false, get, ...(watch && { watch }) };
  const state = await takeStretches(loop, start, step);
  const recomputation = {
    snapshot: start.step,
    steps: step - start.step,
    compared: recorder.compared(),
    fingerprints: recorder.fingerprints(),
  };
  return { state, plan: await plans.at(past.state), past, recomputation };
}
