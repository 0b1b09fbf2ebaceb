import type { RunConfig } from "../core/config.ts";
import { type DataOrder, dataOrder } from "../core/data_order.ts";
import { foldIn, key } from "../core/rng_key.ts";
import { type SavePolicy, savePolicy } from "../core/save_policy.ts";
import { scheduleOf } from "../core/schedule_of.ts";
import type { Task } from "../ports/task.ts";
import { optimizerOf } from "../train/optimizer_of.ts";
import { initialTrainState, type TrainState } from "../train/train_state.ts";
import type { Training } from "../train/train_step.ts";

/** A task together with the config of a run: all that its steps depend on. */
export interface Plan {
  readonly task: Task;
  readonly config: RunConfig;
  readonly training: Training;
  /** Which samples come when. */
  readonly order: DataOrder;
  readonly saveAt: SavePolicy;
}

/** The plan of a run. Every random number in it comes from `config.seed`, by purpose. */
export function planOf(task: Task, config: RunConfig): Plan {
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
    order: dataOrder({
      samples: task.data.identity.samples,
      key: foldIn(root, "data"),
      shuffle: config.data.shuffle,
    }),
    saveAt: savePolicy(config),
  };
}

/** The state at step 0, which the caller owns. */
export function initialStateOf({ task, config, training }: Plan): TrainState {
  const initKey = foldIn(key(config.seed), "init");
  const { trainable } = task;
  return initialTrainState(() => task.init(initKey), training.optimizer, {
    averaged: config.ema.decay > 0,
    ...(config.precision === "mixed_float16" && { lossScale: config.lossScale }),
    ...(trainable !== undefined && { trainable }),
  });
}
