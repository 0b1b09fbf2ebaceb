import {
  arraySource,
  defaultConfig,
  defineTask,
  type Device,
  dropout,
  foldIn,
  key,
  mergeConfig,
  normal,
  type PartialConfig,
  type RunConfig,
  type ScheduleChoice,
  type Task,
  type Tree,
} from "foldlog";
import * as tf from "foldlog/tf";

/** The settings that every sequence begins with: eight steps, in which epochs end at different places. */
export const firstConfig: RunConfig = mergeConfig(defaultConfig, {
  seed: 3,
  steps: { max: 8 },
  batch: { size: 4, micro: 2 },
  optimizer: { name: "adamw", learningRate: 0.05, weightDecay: 0.1 },
  schedule: { name: "cosine", warmupSteps: 2 },
  clip: { norm: 1 },
  save: { every: 3 },
  evaluate: { every: 4, batches: 1 },
  fingerprint: { every: 3 },
  model: { dropout: 0.25 },
} as PartialConfig);

/** A change of settings, as a sequence names it. */
export interface Change {
  readonly config: PartialConfig;
  readonly schedule?: ScheduleChoice;
}

/** Changes of the class "free", of the class "training", and of the length of the plan. */
export const changes = {
  saves: { config: { save: { every: 2 } } },
  "evaluates, no prints": { config: { evaluate: { every: 3 }, fingerprint: { every: 0 } } },
  rate: { config: { optimizer: { learningRate: 0.2 } } },
  "decay and clip": { config: { optimizer: { weightDecay: 0 }, clip: { norm: 0.1 } } },
  batch: { config: { batch: { size: 3, micro: 3 } } },
  order: { config: { data: { shuffle: false } } },
  seed: { config: { seed: 4 } },
  dropout: { config: { model: { dropout: 0 } } },
  shorter: { config: { steps: { max: 5 } } },
  longer: { config: { steps: { max: 11 } } },
  stretched: { config: { steps: { max: 10 } }, schedule: "stretch" },
} as const satisfies Readonly<Record<string, Change>>;

/** The name of a change. */
export type ChangeName = keyof typeof changes;

const SAMPLES = 7;

/** A line with dropout, made anew each time, as a new process would. */
export function modelTask({ model }: RunConfig): Task {
  const rate = model["dropout"] as number;
  return defineTask({
    name: "model",
    classes: { "model.dropout": "training" },
    data: points("points", SAMPLES),
    evaluation: {
      data: points("held out", 4),
      loss: (line: Line, { x, y }) => distance(line, x, y),
    },
    init: (key): Line => ({ offset: tf.zeros([1]), slope: tf.tensor(normal(key, 2), [2]) }),
    loss: (line: Line, { x, y }, key) => distance(line, dropout(x, rate, key), y),
    artifacts: (line, _key, device, step) => samplesOf(line, device, step),
  });
}

/** The samples of a step: the bytes of its slope. */
export async function samplesOf(params: Tree, device: Device, step: number) {
  const { data } = await device.read((params as Line).slope);
  return [{ name: `step_${step}_slope.bin`, bytes: new Uint8Array(data.slice().buffer) }];
}

type Line = { readonly slope: tf.Tensor; readonly offset: tf.Tensor };

function points(name: string, samples: number) {
  const root = foldIn(key(1), name);
  return arraySource(name, {
    x: { dtype: "float32", shape: [samples, 2], data: normal(foldIn(root, "x"), samples * 2) },
    y: { dtype: "float32", shape: [samples, 1], data: normal(foldIn(root, "y"), samples) },
  });
}

function distance({ slope, offset }: Line, x: tf.Tensor, y: tf.Tensor): tf.Scalar {
  const predicted = tf.add(tf.sum(tf.mul(x, slope), 1, true), offset);
  return tf.mean(tf.squaredDifference(predicted, y));
}
