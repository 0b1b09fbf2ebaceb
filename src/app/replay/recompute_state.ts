import type { TaskEither } from "fp-ts/TaskEither.js";
import type { Snapshot } from "../../core/snapshot.ts";
import { attempt } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { TaskSource } from "../../ports/task.ts";
import type { HostBatch } from "../../train/loss.ts";
import { release } from "../../train/ownership.ts";
import { tensorsOf } from "../../train/train_state.ts";
import type { Tree } from "../../train/tree.ts";
import type { RunError } from "../errors/errors.ts";
import { reachState, type Recomputation } from "./reach_state.ts";
import type { RecordedRun } from "../reading/read_run.ts";
import { snapshotOf } from "../training/state_snapshot.ts";

/** A state of a run in host memory, and how much was recomputed to have it. */
export interface RecomputedState {
  readonly snapshot: Snapshot;
  readonly recomputation: Recomputation;
}

/** The state of a run after any step of its live branch, stored nowhere. Fails as `reachState` does. */
export function recomputeState<P extends Tree, B extends HostBatch>(
  env: RunEnv,
  recorded: RecordedRun,
  task: TaskSource<P, B>,
  step: number,
): TaskEither<RunError, RecomputedState> {
  return attempt<RunError, RecomputedState>(async (get) => {
    await env.device.activate();
    const reached = await reachState(env, recorded, task as TaskSource, step, get);
    const { state, plan, past, recomputation } = reached;
    try {
      const about = { task: plan.task.name, cursor: past.state.cursor, history: past.history };
      return { snapshot: await snapshotOf(env.device, state, about), recomputation };
    } finally {
      release(tensorsOf(state));
    }
  });
}
