import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { decide } from "../../core/decide.ts";
import { initialState } from "../../core/evolve.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunStarted } from "../../core/event.ts";
import type { RunOrigin } from "../../core/run_origin.ts";
import { attempt, type Await, fail } from "../../ports/attempt.ts";
import { foldOf } from "../../ports/fold_log.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { TaskSource } from "../../ports/task.ts";
import type { HostBatch } from "../../train/loss.ts";
import { release } from "../../train/ownership.ts";
import { tensorsOf, type TrainState } from "../../train/train_state.ts";
import type { Tree } from "../../train/tree.ts";
import { branchOfRun } from "../reading/branch_of_run.ts";
import { storingCode } from "../training/code_appender.ts";
import type { RunError } from "../errors/errors.ts";
import { type ForkPlan, forkPlan, type ForkWish } from "./fork_plan.ts";
import { appenderOf } from "../training/log_appender.ts";
import { type ReachedState, reachState, type Recomputation } from "../replay/reach_state.ts";
import { readRun, type RecordedRun } from "../reading/read_run.ts";
import { requireNoRun } from "../training/require_no_run.ts";
import { requireFit } from "../training/require_fit.ts";
import { startedData } from "../training/start_run.ts";
import { digestOfState, snapshotOf } from "../training/state_snapshot.ts";
import { withWeights } from "./with_weights.ts";

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
  readonly origin: RunOrigin;
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
    const { state } = reached;
    let begun = state;
    try {
      const fork = await forkPlan(recorded, reached, task as TaskSource, options);
      if (options.weightsOnly) begun = withWeights(fork.plan, state);
      else if (fork.change) requireFit(parent, fork.plan, state, fork.change.changes);
      const origin = await begin(env, run, { recorded, reached, fork, begun, options }, get);
      const { change, otherData } = fork;
      const { recomputation } = reached;
      return { run, origin, ...(change && { change }), otherData, recomputation };
    } finally {
      release(tensorsOf(state));
      if (begun !== state) release(tensorsOf(begun));
    }
  });
}

interface Beginning {
  readonly recorded: RecordedRun;
  readonly reached: ReachedState;
  readonly fork: ForkPlan;
  /** The state that the fork begins with. */
  readonly begun: TrainState;
  readonly options: ForkOptions;
}

/** Stores the state that a fork begins with, and then records its beginning. */
async function begin(
  env: RunEnv,
  run: RunId,
  { recorded, reached: { state, past }, fork: { plan, cursor, leftOut }, begun, options }:
    Beginning,
  get: Await<RunError>,
): Promise<RunOrigin> {
  const { snapshots } = env.store;
  const about = { task: plan.task.name, cursor, history: past.history };
  const snapshot = await snapshotOf(env.device, begun, about);
  const parentState = begun === state
    ? digestOfState(snapshot)
    : digestOfState(await snapshotOf(env.device, state, about));
  const stored = await get(snapshots.put(undefined, snapshot));
  try {
    const { divergence } = options;
    const origin: RunOrigin = {
      parent: {
        run: recorded.run,
        step: past.step,
        state: parentState,
        history: past.history,
        envelope: recorded.events.find(({ position }) => position === past.position - 1)!.digest,
      },
      takes: begun === state ? "state" : "weights",
      snapshot: stored.id,
      step: begun.step,
      ...cursor,
      ...(leftOut && { leftOut }),
      ...(divergence !== undefined && { divergence }),
    };
    const data = { ...startedData(env, plan, stored.manifest.state), origin };
    await record(env, run, data, get);
    // The view of it is derived: where it cannot be made the fork is there all the same.
    const shown = await snapshots.put(run, { ...snapshot, groups: stored.groups })();
    if (E.isRight(shown)) shown.right.release();
    return origin;
  } finally {
    stored.release();
  }
}

async function record(
  { store, code }: RunEnv,
  run: RunId,
  data: RunStarted["data"],
  get: Await<RunError>,
): Promise<void> {
  const writer = await get(store.log.open(run));
  try {
    const { version, step } = foldOf(writer.contents);
    if (version > 0) fail({ type: "RunExists", run, step });
    const events = decide({ type: "StartRun", data }, initialState);
    if (E.isLeft(events)) return fail(events.left);
    const log = storingCode(appenderOf(writer), store.sources, code, get);
    await log.append(events.right);
    await log.flush();
  } finally {
    await writer.close()();
  }
}
