import { fileURLToPath } from "node:url";
import type { PartialConfig } from "foldlog";

/** Shards of 64 tokens. */
const SHARDS = fileURLToPath(new URL("../golden/torch/shards/", import.meta.url));

const STEPS: PartialConfig = {
  steps: { max: 8 },
  batch: { size: 4, micro: 2 },
  save: { every: 3 },
  evaluate: { every: 4, batches: 1 },
};

const GPT = { layers: 1, heads: 2, channels: 8, context: 8, dropout: 0.1 };

/** Settings that make a run of each recipe last seconds: every recipe has some. */
export const tinyRecipes: Readonly<Record<string, PartialConfig>> = {
  "moby-gpt": { ...STEPS, model: GPT },
  "gpt2": {
    ...STEPS,
    model: { size: "d2", context: 8, vocabulary: 64, dropout: 0.1 },
    data: { train: `${SHARDS}tiny_train_*.bin`, validation: `${SHARDS}tiny_val_*.bin` },
  },
  "mlp": { ...STEPS, model: { hidden: 8 } },
  "stream-files": { ...STEPS, model: GPT },
  "transformer": {
    ...STEPS,
    batch: { size: 8, micro: 4, grain: 2 },
    data: { augment: 0.2 },
    model: { hiddenDim: 8, numLayers: 1, numHeads: 2, context: 8, dropout: 0.1 },
  },
  "llm-base": { ...STEPS, model: GPT },
  "inpaint-base": { ...STEPS, model: { levels: 2, channels: 2 } },
  "inpaint-lora": { ...STEPS, model: { levels: 2, channels: 2, loraRank: 2 } },
  "llm-lora": { ...STEPS, model: { ...GPT, loraRank: 2 } },
};
