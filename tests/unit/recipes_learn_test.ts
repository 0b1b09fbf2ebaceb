import assert from "node:assert/strict";
import {
  type Device,
  foldIn,
  key,
  leavesOf,
  memoryStore,
  mergeConfig,
  orThrow,
  type PartialConfig,
  readRun,
  release,
  resumeRun,
  type RunState,
  runSummary,
  trainRun,
  type Tree,
} from "foldlog";
import { recipes } from "../../src/recipes/mod.ts";
import { backendTest } from "../support/backends.ts";

backendTest(
  "wasm",
  "mlp tells most held-out digits from one another after a second",
  async (device) => {
    const { lastEvaluation } = await trained(device, "mlp", { steps: { max: 100 } });
    const { accuracy } = lastEvaluation!.measures!;
    assert.ok(accuracy! > 0.87, `${accuracy}`);
  },
);

backendTest(
  "wasm",
  "transformer counts the syllables of more words than have the usual two",
  async (device) => {
    const { lastEvaluation } = await trained(device, "transformer", {
      steps: { max: 80 },
      optimizer: { learningRate: 4e-3 },
      schedule: { warmupSteps: 10 },
      model: { numLayers: 1 },
      evaluate: { batches: 8 },
    });
    const { accuracy } = lastEvaluation!.measures!;
    assert.ok(accuracy! > 0.5, `${accuracy}`);
  },
);

backendTest(
  "wasm",
  "transformer in mixed precision goes on with its loss scale as if it had not paused",
  async (device) => {
    const settings: PartialConfig = {
      precision: "mixed_float16",
      lossScale: { initial: 2 ** 24, growthInterval: 2 }, // too much, so that steps are skipped
      steps: { max: 6 },
      batch: { size: 8, micro: 4, grain: 2 },
      evaluate: { every: 3, batches: 2 },
      model: { hiddenDim: 8, numLayers: 1, numHeads: 2, dropout: 0.1 },
      data: { augment: 0.1 },
    };
    const whole = await trained(device, "transformer", settings);
    const paused = await trained(device, "transformer", settings, 3);
    assert.ok(whole.skippedSteps! > 0);
    assert.deepEqual(paused.snapshots.at(-1)?.state, whole.snapshots.at(-1)?.state);
  },
);

backendTest(
  "wasm",
  "stream-files uses up the first speeches in order, whatever interrupts it",
  async (device) => {
    const { filesDone, files, bestStep } = runSummary(
      await trained(device, "stream-files", {
        steps: { max: 12 },
        batch: { size: 32, micro: 32 },
        evaluate: { every: 6, batches: 2 },
        model: { layers: 1, heads: 2, channels: 16 },
      }, 5),
    );
    // 12 steps of 32 windows of 64 bytes are 24,576 bytes; the first speeches have 8,356, 14,085 and 12,649.
    assert.deepEqual([filesDone, files, bestStep], [2, 220, 12]);
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

/** The state of a run of a recipe that is trained to its end, with a pause where one is wanted. */
async function trained(
  device: Device,
  name: string,
  settings: PartialConfig,
  pause?: number,
): Promise<RunState> {
  const { config, task } = recipes.find((recipe) => recipe.name === name)!;
  const env = { store: memoryStore(), device };
  const asked = { config: mergeConfig(config, settings) };
  if (pause === undefined) return (await orThrow(trainRun(env, "run", task, asked))).state;
  await orThrow(trainRun(env, "run", task, { ...asked, until: pause }));
  await orThrow(resumeRun(env, "run", task));
  return (await orThrow(readRun(env.store, "run"))).state;
}
