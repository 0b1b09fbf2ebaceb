import { arraySource } from "../adapters/data/array_source.ts";
import { defaultConfig, mergeConfig, type RunConfig } from "../core/config.ts";
import { permutation } from "../core/permutation.ts";
import { key, type RngKey } from "../core/rng_key.ts";
import { accuracy } from "../model/accuracy.ts";
import { initMlp, mlpLogits, type MlpParams } from "../model/mlp.ts";
import { classificationLoss } from "../model/supervised_loss.ts";
import { defineTask, type Task } from "../ports/task.ts";
import { dropout } from "../train/kernels/dropout.ts";
import type { Tensor } from "../train/tree.ts";
import { DIGIT_SIZE, digits } from "./data/digits.ts";
import { shareSetting, wholeSettings } from "./own_settings.ts";
import type { Recipe } from "./recipe.ts";

const PIXELS = DIGIT_SIZE * DIGIT_SIZE;

/** A multilayer perceptron on handwritten digits: the shortest recipe that is of use, and one to copy. */
export const mlp: Recipe = {
  name: "mlp",
  module: import.meta.url,
  description: "a multilayer perceptron on handwritten digits (20 seconds on two cores)",
  config: mergeConfig(defaultConfig, {
    steps: { max: 1500 },
    batch: { size: 64, micro: 64 },
    optimizer: { learningRate: 2e-3, weightDecay: 0.05 },
    schedule: { name: "cosine", warmupSteps: 20, factor: 0.1 },
    model: { hidden: 256, dropout: 0.3 },
    save: { every: 100 },
    evaluate: { every: 100, batches: 15 },
  }),
  task: digitClassifier,
};

async function digitClassifier({ model }: RunConfig): Promise<Task> {
  const { hidden } = wholeSettings("model", model, ["hidden"]);
  const rate = shareSetting("model", model, "dropout");
  const sizes = { inputs: PIXELS, hidden: [hidden], outputs: 10, activation: "relu" } as const;
  const logits = (params: MlpParams, pixels: Tensor, key?: RngKey) =>
    mlpLogits(params, key === undefined ? pixels : dropout(pixels, rate, key), sizes);
  const loss = classificationLoss(logits);
  const right = accuracy(logits);
  return defineTask({
    name: mlp.name,
    classes: { "model.dropout": "training" },
    init: (key) => initMlp(sizes, key),
    loss,
    data: await labelled("the first 90 % of each digit", 0, 0.9),
    evaluation: {
      data: await labelled("the last 10 % of each digit", 0.9, 1),
      loss: (params, batch) => loss(params, batch),
      measures: (params, batch) => ({ accuracy: right(params, batch) }),
    },
  });
}

/** Digits as rows of 784 pixels ("inputs"), and which they are ("targets"), the ten classes mixed. */
async function labelled(name: string, from: number, to: number) {
  const { images, labels } = await digits({ from, to });
  const [count] = labels.shape as [number];
  const inputs = { ...images, shape: [count, PIXELS] };
  const source = arraySource(`mnist, ${name}`, { inputs, targets: labels });
  const mixed = permutation(key(0), count);
  return { ...source, at: (numbers: readonly number[]) => source.at(numbers.map(mixed)) };
}
