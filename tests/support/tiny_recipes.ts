import type { PartialConfig } from "foldlog";

/** Settings that make a run of each recipe last seconds: a recipe has none of them unless they are named here. */
export const tinyRecipes: Readonly<Record<string, PartialConfig>> = {
  "moby-gpt": {
    steps: { max: 8 },
    batch: { size: 4, micro: 2 },
    save: { every: 3 },
    evaluate: { every: 4, batches: 1 },
    model: { layers: 1, heads: 2, channels: 8, context: 8, dropout: 0.1 },
  },
};
