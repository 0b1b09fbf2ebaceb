import assert from "node:assert/strict";
import { memoryStore, mergeConfig, orThrow, type PartialConfig, trainRun } from "foldlog";
import { recipes } from "../../src/recipes/mod.ts";
import { backendTest } from "../support/backends.ts";

backendTest(
  "wasm",
  "mlp tells most held-out digits from one another after a second of training",
  async (device) => {
    const { measures } = await evaluated("mlp", { steps: { max: 100 } });
    assert.ok(measures!.accuracy! > 0.87, `${measures!.accuracy}`);

    async function evaluated(name: string, settings: PartialConfig) {
      const { config, task } = recipes.find((recipe) => recipe.name === name)!;
      const env = { store: memoryStore(), device };
      const asked = { config: mergeConfig(config, settings) };
      return (await orThrow(trainRun(env, "run", task, asked))).state.lastEvaluation!;
    }
  },
);
