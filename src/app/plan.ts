import type { RunConfig } from "../core/config.ts";
import { foldIn, key, type RngKey } from "../core/rng_key.ts";
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
  /** Root of the data order. */
  readonly dataKey: RngKey;
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
    dataKey: foldIn(root, "data"),
    saveAt: savePolicy(config),
  };
}

/** The state at step 0, which the caller owns. */
export function initialStateOf({ task, config, training }: Plan): TrainState {
  const initKey = foldIn(key(config.seed), "init");
  return initialTrainState(() => task.init(initKey), training.optimizer, {
    averaged: config.ema.decay > 0,
    ...(config.precision === "mixed_float16" && { lossScale: config.lossScale }),
  });
}
