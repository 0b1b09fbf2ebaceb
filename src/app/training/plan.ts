import type { RunConfig } from "../../core/config.ts";
import { type DataIdentity, flawOfFiles } from "../../core/data_identity.ts";
import { type DataOrder, dataOrder } from "../../core/data_order.ts";
import type { LeftOut } from "../../core/left_out.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunState } from "../../core/run_state.ts";
import { foldIn, key } from "../../core/rng_key.ts";
import { type SavePolicy, savePolicy } from "../../core/save_policy.ts";
import { scheduleOf } from "../../core/schedule_of.ts";
import { fail } from "../../ports/attempt.ts";
import type { Task, TaskSource } from "../../ports/task.ts";
import { optimizerOf } from "../../train/optimizer_of.ts";
import { initialTrainState, type TrainState } from "../../train/train_state.ts";
import type { HostBatch } from "../../train/loss.ts";
import type { Tree } from "../../train/tree.ts";
import type { Training } from "../../train/train_step.ts";
import { checkTask } from "./check_task.ts";
import type { RunError } from "../errors/errors.ts";
import { inDeviceMemory } from "./in_device_memory.ts";

/** A task together with the config of a run: all that its steps depend on. */
export interface Plan {
  readonly task: Task;
  readonly config: RunConfig;
  readonly training: Training;
  /** Which samples come when. */
  readonly order: DataOrder;
  readonly saveAt: SavePolicy;
}

/**
 * The plan of a run. Every random number in it comes from `config.seed`, by purpose.
 *
 * @throws {RangeError} where `leftOut` is not of the task's data
 */
export function planOf(task: Task, config: RunConfig, leftOut?: LeftOut): Plan {
  const root = key(config.seed);
  return {
    task,
    config,
    training: {
      loss: (params, batch, stepKey) => task.loss(params, batch, stepKey),
      optimizer: task.optimizer ?? optimizerOf(config),
      schedule: scheduleOf(config),
      key: foldIn(root, "train"),
      emaDecay: config.ema.decay,
      precision: config.precision,
      lossScale: config.lossScale,
    },
    order: orderOf(task, config, leftOut),
    saveAt: savePolicy(config),
  };
}

/**
 * The order in which a run of this config uses the data of a task.
 *
 * @throws {RangeError} where `leftOut` is not of the task's data
 */
export function orderOf(
  { data }: Pick<Task, "data">,
  { seed, data: { shuffle } }: RunConfig,
  leftOut?: LeftOut,
): DataOrder {
  const { samples } = data.identity;
  return dataOrder({ samples, key: foldIn(key(seed), "data"), shuffle, leftOut });
}

/** The plans of a run, one for each of the configs that it has had. */
export interface Plans {
  /** The plan of the steps that follow a state. Fails where the task is not the run's. */
  readonly at: (state: RunState) => Promise<Plan>;
}

/** The plans of a run that is a run of this task. */
export function plansOf(run: RunId, source: TaskSource): Plans {
  let last: Plan | undefined;
  return {
    async at(state) {
      const config = state.config!;
      if (last?.config === config) return last;
      const task = await taskOf(source, config);
      checkTask(run, state, task);
      return last = planOf(task, config, state.origin?.leftOut);
    },
  };
}

/** The task under a config. Fails with NoTask where there is none. */
export async function taskOf<P extends Tree, B extends HostBatch>(
  source: TaskSource<P, B>,
  config: RunConfig,
): Promise<Task<P, B>> {
  try {
    const task = typeof source === "function" ? await source(config) : source;
    requireFiles(task.data.identity);
    if (task.evaluation !== undefined) requireFiles(task.evaluation.data.identity);
    return task;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return fail({ type: "NoTask", message: error.message } satisfies RunError);
  }
}

function requireFiles(identity: DataIdentity): void {
  const flaw = flawOfFiles(identity);
  if (flaw !== undefined) throw new RangeError(`In the data "${identity.name}": ${flaw}`);
}

/** The state at step 0, which the caller owns. Fails with DeviceMemoryFull where there is no room for it. */
export function initialStateOf({ task, config, training }: Plan): TrainState {
  const initKey = foldIn(key(config.seed), "init");
  const { trainable } = task;
  const options = {
    averaged: config.ema.decay > 0,
    ...(config.precision === "mixed_float16" && { lossScale: config.lossScale }),
    ...(trainable !== undefined && { trainable }),
  };
  return inDeviceMemory(
    0,
    () => initialTrainState(() => task.init(initKey), training.optimizer, options),
  );
}
