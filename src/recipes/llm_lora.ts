import type { ModelFiles } from "../core/model_files.ts";
import { peftFiles } from "../codec/peft_layout.ts";
import { defaultConfig, mergeConfig, type RunConfig } from "../core/config.ts";
import { foldIn } from "../core/rng_key.ts";
import type { TensorGroup } from "../core/snapshot.ts";
import { languageModelLoss } from "../model/language_model.ts";
import { initLora, type LoraOptions, mergeLora, withLora } from "../model/lora.ts";
import { mergedWeights } from "../model/merged_weights.ts";
import {
  initTransformer,
  type TransformerParams,
  type TransformerSizes,
} from "../model/transformer.ts";
import { defineTask, type Task } from "../ports/task.ts";
import { matchesPath } from "../train/leaf_pattern.ts";
import { release } from "../train/ownership.ts";
import type { Tree } from "../train/tree.ts";
import { heldOutText } from "./data/held_out_text.ts";
import { mobyDick } from "./data/moby_dick.ts";
import { tokenizerFor } from "./data/tokenizer_for.ts";
import { unionSpeeches } from "./data/union_speeches.ts";
import { generateText } from "./generate_text.ts";
import { huggingFaceFiles } from "./hugging_face_files.ts";
import { wholeSettings } from "./own_settings.ts";
import type { Recipe } from "./recipe.ts";
import { byteGptSettingsOf, gptSettingsOf, transformerSizesOf } from "./transformer_sizes.ts";

/** Share of each text, at its end, that is held out for evaluation. */
const HELD_OUT = 0.05;

const MODEL = { layers: 3, heads: 4, channels: 96, context: 64, dropout: 0 };

/** The language model that `llm-lora` adapts, unless it is given another: it has read speeches only. */
export const llmBase: Recipe = {
  name: "llm-base",
  module: import.meta.url,
  description: "a small GPT on the bytes of the State of the Union speeches: the base of llm-lora",
  config: mergeConfig(defaultConfig, {
    steps: { max: 800 },
    batch: { size: 8, micro: 8 },
    optimizer: { learningRate: 3e-3, weightDecay: 0.1, beta2: 0.99 },
    schedule: { name: "cosine", warmupSteps: 40, factor: 0.1 },
    clip: { norm: 1 },
    model: MODEL,
    save: { every: 100 },
    evaluate: { every: 100, batches: 16 },
  }),
  base: { model: byteGptSettingsOf },
  exports: { hf: (weights, config) => huggingFaceFiles(weights, transformerSizesOf(config, 256)) },
  async task(config) {
    const sizes = transformerSizesOf(config, 256);
    const { context } = sizes;
    const speeches = (await unionSpeeches()).map(({ text }) => text).join("\n\n");
    const text = heldOutText("speeches", speeches, { context, share: HELD_OUT });
    const loss = languageModelLoss(sizes);
    return defineTask({
      name: llmBase.name,
      classes: { "model.dropout": "training" },
      init: (key) => initTransformer(sizes, key),
      loss,
      data: text.train,
      evaluation: { data: text.heldOut, loss: (params, batch) => loss(params, batch) },
      reference: { name: "unigram entropy of the text", loss: text.entropy },
      sample: (params, key, device) =>
        generateText(params, sizes, key, device, { prompt: "My fellow " }),
    });
  },
};

/** A language model with its weights frozen, and adapters (Hu et al., 2021) that learn another text. */
export const llmLora: Recipe = {
  name: "llm-lora",
  module: import.meta.url,
  description: "LoRA adapters on a frozen GPT, trained on the bytes of Moby-Dick",
  config: mergeConfig(defaultConfig, {
    steps: { max: 300 },
    batch: { size: 8, micro: 8 },
    optimizer: { learningRate: 1e-2, beta2: 0.99 },
    schedule: { name: "cosine", warmupSteps: 20, factor: 0.1 },
    clip: { norm: 1 },
    // `context`: tokens of a sample; 0 is the longest that the model can read.
    data: { shuffle: true, context: 0 },
    model: { ...MODEL, vocabulary: 256, loraRank: 8, loraAlpha: 16, loraTargets: "h.*.c_*.weight" },
    save: { every: 50 },
    evaluate: { every: 50, batches: 16 },
  }),
  base: {
    into: "base",
    trained: { recipe: llmBase.name, run: llmBase.name },
    model: gptSettingsOf,
  },
  exports: { hf, peft, merged },
  task: llmLoraTask,
};

async function llmLoraTask(config: RunConfig): Promise<Task> {
  const { vocabulary } = config.model as { readonly vocabulary: number };
  const tokenizer = await tokenizerFor(vocabulary);
  const sizes = transformerSizesOf(config, vocabulary);
  const options = loraOptions(config);
  const context = contextOf(config, sizes);
  const text = heldOutText("moby-dick", await mobyDick(), { context, share: HELD_OUT, tokenizer });
  const loss = languageModelLoss(sizes);
  const adapted = ({ base, lora }: Adapted) => withLora(base, lora, options);
  return defineTask({
    name: llmLora.name,
    classes: { "model.dropout": "training", "data.context": "architecture" },
    trainable: "lora.*",
    init(key): Adapted {
      const base = initTransformer(sizes, foldIn(key, "base"));
      return { base, lora: initLora(base, options, foldIn(key, "lora")) };
    },
    loss: (params, batch, key) => loss(adapted(params), batch, key),
    data: text.train,
    evaluation: { data: text.heldOut, loss: (params, batch) => loss(adapted(params), batch) },
    reference: { name: "unigram entropy of the text", loss: text.entropy },
    async sample({ base, lora }, key, device) {
      const model = mergeLora(base, lora, options);
      try {
        return await generateText(model, sizes, key, device, { prompt: "CHAPTER 1. ", tokenizer });
      } finally {
        release(model, base);
      }
    },
  });
}

/** The frozen model, and an adapter for each of its weights that has one. */
type Adapted = { readonly base: TransformerParams; readonly lora: Tree };

/** The tokens of a sample. */
function contextOf({ data }: RunConfig, { context: longest }: TransformerSizes): number {
  const { context } = data as unknown as { readonly context: number };
  if (Number.isSafeInteger(context) && context >= 0 && context <= longest) {
    return context || longest;
  }
  throw new RangeError(
    `Expected data.context to be a whole number up to ${longest}, or 0 for that, found ${context}`,
  );
}

/** `model.loraTargets` are patterns of paths, separated by commas. */
function loraOptions({ model }: RunConfig): LoraOptions {
  const { layers, loraAlpha: alpha, loraTargets } = model as Readonly<{
    layers: number;
    loraAlpha: number;
    loraTargets: string;
  }>;
  const { loraRank: rank } = wholeSettings("model", model, ["loraRank"]);
  const targets = loraTargets.split(",").map((pattern) => pattern.trim());
  const weights = weightsOf(layers);
  const missed = targets.find((target) => !weights.some((path) => matchesPath(target, path)));
  if (missed === undefined) return { rank, alpha, targets };
  throw new RangeError(
    `Expected model.loraTargets to match weights such as ${weights.slice(0, 4).join(", ")}, ` +
      `found "${missed}"`,
  );
}

/** The weights of a GPT that can be adapted. */
function weightsOf(layers: number): readonly string[] {
  const names = ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"];
  return Array.from(
    { length: layers },
    (_, layer) => names.map((name) => `h.${layer}.${name}.weight`),
  )
    .flat();
}

function merged(weights: TensorGroup, config: RunConfig): TensorGroup {
  const halves = config.precision === "mixed_float16";
  return mergedWeights(weights, { ...loraOptions(config), halves });
}

function hf(weights: TensorGroup, config: RunConfig): ModelFiles {
  const { vocabulary } = config.model as { readonly vocabulary: number };
  return huggingFaceFiles(weights, transformerSizesOf(config, vocabulary));
}

function peft(weights: TensorGroup, config: RunConfig, base: string): ModelFiles {
  const { rank, alpha } = loraOptions(config);
  const task = "CAUSAL_LM";
  return peftFiles(weights, { base, rank, alpha, task, prefix: "transformer.", fanInFanOut: true });
}
