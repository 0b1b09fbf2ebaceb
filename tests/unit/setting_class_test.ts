import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  configChange,
  defaultConfig,
  type Device,
  isStep,
  memoryStore,
  mergeConfig,
  orThrow,
  type PartialConfig,
  partialConfig,
  type RunConfig,
  type Setting,
  settings,
  type Store,
  type TrainOptions,
  trainRun,
} from "foldlog";
import { settingChanges, type SettingClass } from "../../src/core/setting_class.ts";
import { backendTest } from "../support/backends.ts";
import { eventsOf, tenSteps } from "../support/ten_steps.ts";

/** A setting that is changed: its class, its value before, and after. */
type Change = readonly [kind: SettingClass, before: Setting, after: Setting];

const CHANGES: Readonly<Record<string, readonly Change[]>> = {
  "seed": [["training", 42, 43]],
  "steps.max": [["free", 10, 12]],
  "batch.size": [["training", 2, 4]],
  "batch.micro": [["training", 2, 1]],
  "batch.grain": [["training", 0, 1]],
  "optimizer.name": [["architecture", "adamw", "sgd"]],
  "optimizer.learningRate": [["training", 0.1, 0.2]],
  "optimizer.weightDecay": [["training", 0, 0.3]],
  "optimizer.momentum": [["architecture", 0, 0.5], ["architecture", 0.5, 0], [
    "training",
    0.5,
    0.9,
  ]],
  "optimizer.nesterov": [["training", false, true]],
  "optimizer.beta1": [["training", 0.9, 0.5]],
  "optimizer.beta2": [["training", 0.99, 0.5]],
  "optimizer.epsilon": [["training", 1e-8, 0.1]],
  "schedule.name": [["training", "constant", "cosine"]],
  "schedule.warmupSteps": [["training", 0, 8]],
  "schedule.factor": [["training", 0.1, 0.5]],
  "schedule.every": [["training", 1, 2]],
  "schedule.steps": [["training", 0, 20]],
  "clip.norm": [["training", 0, 0.1]],
  "clip.value": [["training", 0, 0.1]],
  "data.shuffle": [["training", true, false]],
  "save.every": [["free", 2, 3]],
  "save.maxReplaySeconds": [["free", 0, 1000]],
  "save.maxOverhead": [["free", 0.02, 0.5]],
  "save.best": [["free", false, true]],
  "evaluate.every": [["free", 4, 1]],
  "evaluate.batches": [["free", 1, 2]],
  "evaluate.patience": [["free", 0, 100]],
  "ema.decay": [["architecture", 0, 0.5], ["architecture", 0.5, 0], ["training", 0.5, 0.9]],
  "fingerprint.every": [["free", 0, 1]],
  "precision": [["architecture", "float32", "mixed_float16"]],
  "lossScale.initial": [["architecture", 65536, 1024]],
  "lossScale.growthInterval": [["training", 2000, 1]],
};

Deno.test("every setting has a class, which a change of it has", () => {
  assert.deepEqual(Object.keys(CHANGES).sort(), [...settings(defaultConfig).keys()]);
  for (const [path, kind, before, after] of all()) {
    const asked = partialConfig([[path, after]]);
    const changes = settingChanges(withOne(path, before), asked);
    assert.deepEqual(changes, [{ path, recorded: before, asked: after, class: kind }]);
    assert.deepEqual(settingChanges(withOne(path, before), partialConfig([[path, before]])), []);
  }
});

Deno.test("a recipe's own settings have the classes that it gives them", () => {
  const recorded = mergeConfig(defaultConfig, {
    model: { width: 4, dropout: 0.1 },
    data: { file: "a" },
  } as PartialConfig);
  const asked = { model: { width: 8, dropout: 0.2, depth: 1 }, data: { file: "b" } };
  const classes = (own = {}) =>
    Object.fromEntries(
      settingChanges(recorded, asked as unknown as PartialConfig, own)
        .map(({ path, class: kind }) => [path, kind]),
    );
  const architecture = { "model.width": "architecture", "model.depth": "architecture" };
  assert.deepEqual(classes(), {
    ...architecture,
    "model.dropout": "architecture",
    "data.file": "training",
  });
  assert.deepEqual(
    classes({ "model.dropout": "training", "data.file": "free", "model.depth": "free" }),
    { ...architecture, "model.dropout": "training", "data.file": "free" }, // no depth to change
  );
});

Deno.test("a change has the class of the gravest of its settings", () => {
  const ofAll = (asked: PartialConfig) => configChange(defaultConfig, asked)?.class;
  const free = { save: { every: 77 } };
  const training = { ...free, seed: 77 };
  assert.equal(ofAll(free), "free");
  assert.equal(ofAll(training), "training");
  assert.equal(ofAll({ ...training, ema: { decay: 0.5 } }), "architecture");
  assert.equal(configChange(defaultConfig, { seed: defaultConfig.seed }), undefined);
});

backendTest("cpu", "a free change changes no bit of any step", async (device) => {
  for (const [path, , before, after] of all("free")) {
    const config = withOne(path, before);
    const unchanged = await stepsOf(await until(device, config, 10));
    const store = await until(device, config, 5);
    await orThrow(resumed(device, store, path, after, {}));
    const steps = await stepsOf(store);
    assert.deepEqual(steps.slice(0, 10), unchanged, path);
    const change = (await eventsOf(store)).find(({ type }) => type === "ConfigChanged");
    assert.deepEqual(change?.data, { step: 5, changes: { [path]: after }, class: "free" });
  }
});

backendTest(
  "cpu",
  "a change of the training is refused unless it is to be recorded, and leaves the steps before",
  async (device) => {
    for (const [path, , before, after] of all("training")) {
      const config = withOne(path, before);
      const store = await until(device, config, 5);
      const recorded = await eventsOf(store);
      const refused = await resumed(device, store, path, after, {})();
      assert.ok(E.isLeft(refused) && refused.left.type === "ConfigDiffers", path);
      assert.deepEqual(await eventsOf(store), recorded);
      await orThrow(resumed(device, store, path, after, { recordChanges: true }));
      const events = await eventsOf(store);
      assert.deepEqual(events.slice(0, recorded.length), recorded);
      const change = events.find(({ type }) => type === "ConfigChanged");
      assert.deepEqual(change?.data, { step: 5, changes: { [path]: after }, class: "training" });
    }
  },
);

backendTest("cpu", "a change of the architecture is refused, recorded or not", async (device) => {
  for (const [path, , before, after] of all("architecture")) {
    const store = await until(device, withOne(path, before), 5);
    const recorded = await eventsOf(store);
    for (const recordChanges of [false, true]) {
      const refused = await resumed(device, store, path, after, { recordChanges })();
      assert.ok(E.isLeft(refused) && refused.left.type === "ConfigDiffers", path);
      assert.deepEqual(refused.left.changes.map(({ path }) => path), [path]);
    }
    assert.deepEqual(await eventsOf(store), recorded);
  }
});

function all(kind?: SettingClass) {
  return Object.entries(CHANGES)
    .flatMap(([path, changes]) => changes.map((change) => [path, ...change] as const))
    .filter((change) => kind === undefined || change[1] === kind);
}

const { config: ten, ...task } = tenSteps;

/** The settings of ten steps, one of them as it is asked for. */
function withOne(path: string, value: Setting): RunConfig {
  const values = mergeConfig(mergeConfig(defaultConfig, ten!), {
    optimizer: { name: optimizerOf(path), weightDecay: 0, beta2: 0.99 },
    clip: { norm: 0, value: 0 },
    schedule: { name: "constant", warmupSteps: 0 },
    batch: { grain: 0 },
  } as PartialConfig);
  return mergeConfig(values, partialConfig([[path, value]]));
}

function optimizerOf(path: string): "sgd" | "adamw" {
  return path === "optimizer.momentum" || path === "optimizer.nesterov" ? "sgd" : "adamw";
}

async function until(device: Device, config: RunConfig, step: number): Promise<Store> {
  const store = memoryStore();
  const env = { store, device, stopwatch: { elapsed: () => 0 } };
  await orThrow(trainRun(env, "a", task, { config, until: step }));
  return store;
}

function resumed(
  device: Device,
  store: Store,
  path: string,
  value: Setting,
  options: TrainOptions,
) {
  const env = { store, device, stopwatch: { elapsed: () => 0 } };
  return trainRun(env, "a", task, { config: partialConfig([[path, value]]), ...options });
}

/** What was computed in each step, without the fingerprint of the state after it. */
async function stepsOf(store: Store) {
  return (await eventsOf(store)).filter(isStep).map(({ data: { fingerprint: _, ...data } }) =>
    data
  );
}
