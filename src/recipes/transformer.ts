import { packedSource } from "../adapters/data/packed_sequences.ts";
import { defaultConfig, mergeConfig, type RunConfig } from "../core/config.ts";
import { foldIn, type RngKey } from "../core/rng_key.ts";
import { accuracy } from "../model/accuracy.ts";
import {
  encoderOutputs,
  type EncoderParams,
  type EncoderSizes,
  initEncoder,
} from "../model/encoder.ts";
import { hiddenTokens } from "../model/hidden_tokens.ts";
import { classificationLoss } from "../model/supervised_loss.ts";
import { defineTask, type Task } from "../ports/task.ts";
import type { Tensor } from "../train/tree.ts";
import {
  LETTER_TOKENS,
  pronouncedWords,
  WORD_CLASSES,
  type WordTarget,
} from "./data/pronounced_words.ts";
import { shareSetting, wholeSettings } from "./own_settings.ts";
import type { Recipe } from "./recipe.ts";

/**
 * A transformer that reads a word letter by letter and tells how many syllables it has, or with
 * `data.target=stress` which of them has the stress: a classifier of sequences, to copy for others.
 *
 * The words are packed: all letters in one block, and an index of where each word begins. Augmentation hides
 * letters (`data.augment`), drawn in the loss from the step's key, so that a batch depends on nothing but
 * which words are in it. A step of 64 words is taken in passes over grains of 32: `batch.micro` can be 64 or 32,
 * as memory allows, and the bits are the same.
 */
export const transformer: Recipe = {
  name: "transformer",
  module: import.meta.url,
  description:
    "a transformer that counts the syllables of English words (two minutes on two cores)",
  presets: new URL("transformer.yaml", import.meta.url).href,
  config: mergeConfig(defaultConfig, {
    steps: { max: 2400 },
    batch: { size: 64, micro: 64, grain: 32 },
    optimizer: { learningRate: 2e-3, weightDecay: 0.05, beta2: 0.99 },
    schedule: { name: "cosine", warmupSteps: 100, factor: 0.05 },
    clip: { norm: 1 },
    data: { target: "syllables", augment: 0.01 },
    model: { hiddenDim: 64, numLayers: 2, numHeads: 4, context: 12, dropout: 0.01 },
    save: { every: 200 },
    evaluate: { every: 200, batches: 32 },
  }),
  task: transformerTask,
};

async function transformerTask({ model, data }: RunConfig): Promise<Task> {
  const sizes = sizesOf({ model });
  const hidden = shareSetting("data", data, "augment");
  const { train, heldOut } = await pronouncedWords(targetOf(data.target), sizes.context);
  const logits = (params: EncoderParams, letters: Tensor, key?: RngKey) =>
    key === undefined
      ? encoderOutputs(params, letters, sizes)
      : encoderOutputs(params, hiddenTokens(letters, hidden, foldIn(key, "hide")), sizes, key);
  const loss = classificationLoss(logits);
  const right = accuracy(logits);
  return defineTask({
    name: transformer.name,
    classes: { "model.dropout": "training" },
    init: (key) => initEncoder(sizes, key),
    loss,
    data: packedSource("words", train, sizes.context),
    evaluation: {
      data: packedSource("words held out", heldOut, sizes.context),
      loss: (params, batch) => loss(params, batch),
      measures: (params, batch) => ({ accuracy: right(params, batch) }),
    },
  });
}

function sizesOf({ model }: Pick<RunConfig, "model">): EncoderSizes {
  const names = ["hiddenDim", "numLayers", "numHeads", "context"] as const;
  const { hiddenDim, numLayers, numHeads, context } = wholeSettings("model", model, names);
  if (hiddenDim % numHeads !== 0) {
    throw new RangeError(
      `Expected model.hiddenDim to be a multiple of model.numHeads, found ${hiddenDim} and ${numHeads}`,
    );
  }
  return {
    input: { vocabulary: LETTER_TOKENS },
    context,
    layers: numLayers,
    heads: numHeads,
    channels: hiddenDim,
    attention: "causal",
    pooling: "mean",
    outputs: WORD_CLASSES,
    dropout: shareSetting("model", model, "dropout"),
  };
}

function targetOf(target: unknown): WordTarget {
  if (target === "syllables" || target === "stress") return target;
  throw new RangeError(`Expected data.target to be syllables or stress, found "${target}"`);
}
