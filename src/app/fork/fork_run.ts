import type { TaskEither } from "fp-ts/TaskEither.js";
import type { RunId } from "../../core/run_id.ts";
import { paramsOf } from "../../core/snapshot.ts";
import type { OriginInRun } from "../../core/run_origin.ts";
import { attempt } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { TaskSource } from "../../ports/task.ts";
import type { HostBatch } from "../../train/loss.ts";
import { release } from "../../train/ownership.ts";
import { tensorsOf } from "../../train/train_state.ts";
import type { Tree } from "../../train/tree.ts";
import { branchOfRun } from "../reading/branch_of_run.ts";
import type { RunError } from "../errors/errors.ts";
import { type ForkPlan, forkPlan, type ForkWish } from "./fork_plan.ts";
import { reachState, type Recomputation } from "../replay/reach_state.ts";
import { readRun } from "../reading/read_run.ts";
import { requireNoRun } from "../training/require_no_run.ts";
import { requireFit } from "../training/require_fit.ts";
import { digestOfState, snapshotOf } from "../training/state_snapshot.ts";
import { beginWith } from "./begin_with.ts";
import { parentState } from "./parent_state.ts";
import { snapshotWith } from "./with_weights.ts";

/** How a run is forked. */
export interface ForkOptions extends ForkWish {
  /**
   * A step of the parent, before what was changed there, or a place by name ("best"). Unless given the end of
   * its log, with what was changed there.
   */
  readonly at?: number | string;
  /** The Nth branch that the parent has left, in place of its live one. */
  readonly branch?: number;
  /** The step at which a recomputation of the parent parted from its log, where that is the reason. */
  readonly divergence?: number;
}

/** A fork as it was made. */
export interface ForkReport extends Pick<ForkPlan, "change" | "otherData"> {
  readonly run: RunId;
  readonly origin: OriginInRun;
  readonly recomputation: Recomputation;
}

/**
 * Makes the run `run`, which begins with the state that `parent` had after any of its steps, and is not
 * trained yet: `resumeRun` does that. The parent is not changed, nor needed any more.
 *
 * The state is recomputed where it is not kept, all on the way compared with the parent's log. A fork that
 * takes all of it goes on as the parent would: with the same settings, to the same bits. Other data must
 * have samples of the same form; the fork begins at its first sample.
 *
 * Fails with RunExists where there is such a run, with ConfigDiffers where the settings do not fit the
 * state, and as `reachState` does.
 */
export function forkRun<P extends Tree, B extends HostBatch>(
  env: RunEnv,
  parent: RunId,
  run: RunId,
  task: TaskSource<P, B>,
  options: ForkOptions = {},
): TaskEither<RunError, ForkReport> {
  return attempt<RunError, ForkReport>(async (get) => {
    await env.device.activate();
    await requireNoRun(env.store, run, get);
    const recorded = branchOfRun(await get(readRun(env.store, parent)), options.branch);
    const at = options.at ?? "latest";
    const reached = await reachState(env, recorded, task as TaskSource, at, get);
    const { state, past, recomputation } = reached;
    try {
      const fork = await forkPlan(recorded, reached, task as TaskSource, options);
      const { plan, cursor, change, otherData } = fork;
      const { weightsOnly = false } = options;
      if (change && !weightsOnly) requireFit(parent, plan, state, change.changes);
      const about = { task: plan.task.name, cursor, history: past.history };
      const held = await snapshotOf(env.device, state, about);
      const from = parentState(recorded, past, digestOfState(held));
      const snapshot = weightsOnly
        ? await snapshotWith(env, plan, { from: `run "${parent}"`, tensors: paramsOf(held) }, about)
        : held;
      const origin = await beginWith(env, { run, plan, snapshot }, get, (id) => ({
        parent: from,
        takes: weightsOnly ? "weights" : "state",
        snapshot: id,
        step: snapshot.step,
        ...cursor,
        ...(fork.leftOut && { leftOut: fork.leftOut }),
        ...(options.divergence !== undefined && { divergence: options.divergence }),
      }));
      return { run, origin, ...(change && { change }), otherData, recomputation };
    } finally {
      release(tensorsOf(state));
    }
  });
}
