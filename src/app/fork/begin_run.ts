import type { TaskEither } from "fp-ts/TaskEither.js";
import type { PartialConfig } from "../../core/config.ts";
import { startOfData } from "../../core/data_cursor.ts";
import type { RunId } from "../../core/run_id.ts";
import {
  historyOfOrigin,
  originName,
  type RunOrigin,
  type WeightsSource,
} from "../../core/run_origin.ts";
import type { TensorGroup } from "../../core/snapshot.ts";
import { attempt } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { TaskSource } from "../../ports/task.ts";
import type { HostBatch } from "../../train/loss.ts";
import type { Tree } from "../../train/tree.ts";
import type { RunError } from "../errors/errors.ts";
import { planOf, taskOf } from "../training/plan.ts";
import { requireNoRun } from "../training/require_no_run.ts";
import { configOfNew } from "../training/train_options.ts";
import { beginWith } from "./begin_with.ts";
import { snapshotWith } from "./with_weights.ts";

/** Weights that a run is to begin with, by path and in host memory, which is borrowed, and whose they are. */
export type GivenWeights = WeightsSource & { readonly tensors: TensorGroup };

/** How a run begins. */
export interface BeginOptions {
  /** Settings in place of the task's. */
  readonly config?: PartialConfig;
  /** The branch of the parameters that the weights are, such as "base"; all of them unless given. */
  readonly into?: string;
}

/**
 * Makes the run `run`, which begins with given weights in place of those that its task draws, all of its
 * parameters or a branch of them, and is not trained yet: `trainRun` does that. The first snapshot holds the
 * whole state, so that neither the run nor the file that the weights are of is needed again.
 *
 * Fails with RunExists where there is such a run, and with WeightsMisfit where the parameters there have
 * other paths, types or shapes.
 */
export function beginRun<P extends Tree, B extends HostBatch>(
  env: RunEnv,
  run: RunId,
  task: TaskSource<P, B>,
  weights: GivenWeights,
  options: BeginOptions = {},
): TaskEither<RunError, RunOrigin> {
  return attempt<RunError, RunOrigin>(async (get) => {
    await env.device.activate();
    await requireNoRun(env.store, run, get);
    const source = task as TaskSource;
    const config = configOfNew(source, options);
    const plan = planOf(await taskOf(source, config), config);
    const about = { task: plan.task.name, cursor: startOfData, history: historyOfOrigin(weights) };
    const { into } = options;
    const branch = into === undefined ? {} : { into };
    const given = { from: originName(weights), tensors: weights.tensors, ...branch };
    const snapshot = await snapshotWith(env, plan, given, about);
    const { parent, file } = weights;
    return await beginWith(env, { run, plan, snapshot }, get, (id) => ({
      ...(parent === undefined ? { file } : { parent }),
      takes: "weights",
      ...branch,
      snapshot: id,
      step: snapshot.step,
      ...startOfData,
    }));
  });
}
