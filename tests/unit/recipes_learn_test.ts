import assert from "node:assert/strict";
import {
  foldIn,
  key,
  leavesOf,
  memoryStore,
  mergeConfig,
  orThrow,
  type PartialConfig,
  readRun,
  release,
  trainRun,
  type Tree,
} from "foldlog";
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

backendTest(
  "wasm",
  "inpaint-lora learns to fill what is hidden, and leaves its base as it was",
  async (device) => {
    const { config, task } = recipes.find(({ name }) => name === "inpaint-lora")!;
    const settings: PartialConfig = {
      steps: { max: 24 },
      batch: { size: 8, micro: 8 },
      optimizer: { learningRate: 0.02 },
      model: { levels: 2, channels: 4 },
      evaluate: { every: 8, batches: 4 },
      save: { every: 0 },
    };
    const store = memoryStore();
    const asked = { config: mergeConfig(config, settings) };
    await orThrow(trainRun({ store, device }, "run", task, asked));
    const { events, state } = await orThrow(readRun(store, "run"));
    const losses = events.flatMap(({ event }) =>
      event.type === "EvaluationTaken" ? [event.data.loss] : []
    );
    assert.equal(losses.length, 3);
    assert.ok(losses[2]! < 0.5 * losses[0]!, `${losses}`);
    const drawn = (await task(asked.config)).init(foldIn(key(asked.config.seed), "init"));
    const { base } = drawn as { readonly base: Tree };
    const last = await orThrow(store.snapshots.get(state.snapshots.at(-1)!.snapshot));
    for (const [path, leaf] of leavesOf(base)) {
      const { data } = await device.read(leaf);
      assert.deepEqual(last.groups["base"]!.get(`base.${path}`)!.data, data);
    }
    release(drawn);
    assert.ok([...last.groups["model"]!.keys()].every((path) => path.startsWith("lora.")));
  },
);
