import { defaultConfig, mergeConfig, type RunConfig } from "../core/config.ts";
import { languageModelLoss } from "../model/language_model.ts";
import { initTransformer } from "../model/transformer.ts";
import { defineTask, type Task } from "../ports/task.ts";
import { heldOutText } from "./data/held_out_text.ts";
import { mobyDick } from "./data/moby_dick.ts";
import { generateText } from "./generate_text.ts";
import { huggingFaceFiles } from "./hugging_face_files.ts";
import type { Recipe } from "./recipe.ts";
import { byteGptSettingsOf, transformerSizesOf } from "./transformer_sizes.ts";

/** Share of the text, at its end, that is held out for evaluation. */
const HELD_OUT = 0.05;

/** A small GPT on the bytes of Moby-Dick: real text, a falling loss, words at the end. */
export const mobyGpt: Recipe = {
  name: "moby-gpt",
  module: import.meta.url,
  description: "a small GPT on the bytes of Moby-Dick (a minute or two on two cores)",
  config: mergeConfig(defaultConfig, {
    steps: { max: 600 },
    batch: { size: 16, micro: 16 },
    optimizer: { learningRate: 3e-3, weightDecay: 0.1, beta2: 0.99 },
    schedule: { name: "cosine", warmupSteps: 30, factor: 0.1 },
    clip: { norm: 1 },
    model: { layers: 2, heads: 4, channels: 96, context: 32, dropout: 0 },
    save: { every: 50 },
    evaluate: { every: 100, batches: 16 },
  }),
  base: { model: byteGptSettingsOf },
  exports: { hf: (weights, config) => huggingFaceFiles(weights, transformerSizesOf(config, 256)) },
  task: mobyGptTask,
};

async function mobyGptTask(config: RunConfig): Promise<Task> {
  const sizes = transformerSizesOf(config, 256);
  const { context } = sizes;
  const { train, heldOut, entropy } = heldOutText("moby-dick", await mobyDick(), {
    context,
    share: HELD_OUT,
  });
  const loss = languageModelLoss(sizes);
  return defineTask({
    name: mobyGpt.name,
    classes: { "model.dropout": "training" },
    init: (key) => initTransformer(sizes, key),
    loss,
    data: train,
    evaluation: { data: heldOut, loss: (params, batch) => loss(params, batch) },
    reference: { name: "unigram entropy of the text", loss: entropy },
    sample: (params, key, device) =>
      generateText(params, sizes, key, device, { prompt: "CHAPTER 1. " }),
  });
}
