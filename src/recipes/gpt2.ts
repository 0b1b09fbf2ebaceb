import { gpt2Tokenizer } from "../adapters/data/gpt2_tokenizer.ts";
import { GPT2_VOCABULARY } from "../codec/gpt2_config.ts";
import { defaultConfig, mergeConfig, type RunConfig } from "../core/config.ts";
import type { RngKey } from "../core/rng_key.ts";
import { languageModelLoss, type TokenTensors } from "../model/language_model.ts";
import { initTransformer, type TransformerParams } from "../model/transformer.ts";
import type { Device } from "../ports/device.ts";
import { defineTask, type Task } from "../ports/task.ts";
import { gpt2Tokens } from "./data/gpt2_tokens.ts";
import { generateText } from "./generate_text.ts";
import { gpt2SettingsOf, gpt2SizesOf } from "./gpt2_sizes.ts";
import { huggingFaceFiles } from "./hugging_face_files.ts";
import type { Recipe } from "./recipe.ts";

/**
 * GPT-2 (Radford et al., 2019) in the sizes of llm.c, on token shards: `data.train` and `data.validation` are
 * patterns such as "fineweb_train_*.bin". Without them it is Moby-Dick.
 *
 * Of the 6.8 million parameters of d2 the table of tokens has 6.4. A step of AdamW needs up to 32 bytes of
 * memory for a parameter, 28 without a clip norm, with which d12 just fits into the 4 GiB of wasm.
 */
export const gpt2: Recipe = {
  name: "gpt2",
  module: import.meta.url,
  description:
    "GPT-2, d2 to d48, on token shards of llm.c, or on Moby-Dick's tokens (some two minutes as it is)",
  config: mergeConfig(defaultConfig, {
    steps: { max: 300 },
    batch: { size: 2, micro: 2 },
    optimizer: { learningRate: 5e-3, weightDecay: 0.1, beta2: 0.95 },
    schedule: { name: "cosine", warmupSteps: 10, factor: 0.1 },
    clip: { norm: 1 },
    data: { shuffle: true, train: "", validation: "" },
    model: { size: "d2", context: 64, vocabulary: GPT2_VOCABULARY, dropout: 0 },
    save: { every: 100 },
    evaluate: { every: 100, batches: 16 },
  }),
  base: { model: gpt2SettingsOf },
  exports: { hf: (weights, config) => huggingFaceFiles(weights, gpt2SizesOf(config)) },
  task: gpt2Task,
};

async function gpt2Task(config: RunConfig): Promise<Task> {
  const sizes = gpt2SizesOf(config);
  const { context, vocabulary } = sizes;
  const { train, validation } = config.data as Readonly<Record<string, string>>;
  const places = { train: train!, validation: validation! };
  const tokens = await gpt2Tokens({ ...places, context, vocabulary });
  const loss = languageModelLoss(sizes);
  const evaluation = tokens.heldOut && {
    data: tokens.heldOut,
    loss: (params: TransformerParams, batch: TokenTensors) => loss(params, batch),
  };
  const reference = tokens.entropy !== undefined && {
    name: "unigram entropy of the tokens",
    loss: tokens.entropy,
  };
  return defineTask({
    name: gpt2.name,
    // Where shards lie is nobody's business: their contents are compared.
    classes: { "model.dropout": "training", "data.train": "free", "data.validation": "free" },
    init: (key) => initTransformer(sizes, key),
    loss,
    data: tokens.train,
    ...(evaluation && { evaluation }),
    ...(reference && { reference }),
    // Tokens of another vocabulary are not GPT-2's, and nobody knows what they say.
    ...(vocabulary === GPT2_VOCABULARY && {
      async sample(params: TransformerParams, key: RngKey, device: Device) {
        const how = { prompt: "CHAPTER 1. ", length: 40, tokenizer: await gpt2Tokenizer() };
        return await generateText(params, sizes, key, device, how);
      },
    }),
  });
}
