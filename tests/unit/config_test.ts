import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import { checkConfig } from "../../src/core/check_config.ts";
import { defaultConfig, mergeConfig, type RunConfig } from "../../src/core/config.ts";
import { assign, type Setting, type SettingError, settings } from "../../src/core/config_path.ts";

const config: RunConfig = mergeConfig(defaultConfig, {
  data: { file: "a.txt" },
  model: { layers: 2, tied: true },
});

const PATHS = [
  ...[
    "batch.grain",
    "batch.micro",
    "batch.size",
    "clip.norm",
    "clip.value",
    "data.file",
    "data.shuffle",
    "ema.decay",
    "evaluate.batches",
  ],
  ...[
    "evaluate.every",
    "evaluate.patience",
    "fingerprint.every",
    "lossScale.growthInterval",
    "lossScale.initial",
    "model.layers",
    "model.tied",
    "optimizer.beta1",
    "optimizer.beta2",
  ],
  ...[
    "optimizer.epsilon",
    "optimizer.learningRate",
    "optimizer.momentum",
    "optimizer.name",
    "optimizer.nesterov",
  ],
  ...["optimizer.weightDecay", "precision", "save.best", "save.every", "save.maxOverhead"],
  ...["save.maxReplaySeconds", "schedule.every", "schedule.factor"],
  ...["schedule.name", "schedule.steps", "schedule.warmupSteps", "seed", "steps.max"],
];

Deno.test("settings() names every leaf by its dotted path, in sorted order", () => {
  const found = settings(config);
  assert.deepEqual([...found.keys()], PATHS);
  assert.equal(found.get("seed"), 42);
  assert.equal(found.get("optimizer.learningRate"), 1e-3);
  assert.equal(found.get("data.shuffle"), true);
  assert.equal(found.get("data.file"), "a.txt");
  assert.equal(found.get("model.layers"), 2);
});

Deno.test("assign() sets one leaf, read as the type it has, and leaves the rest alone", () => {
  const before = structuredClone(config);
  const cases: readonly (readonly [assignment: string, expected: RunConfig])[] = [
    ["seed=7", { ...config, seed: 7 }],
    ["steps.max=1e4", { ...config, steps: { max: 10_000 } }],
    [
      "optimizer.learningRate=-2.5e-3",
      { ...config, optimizer: { ...config.optimizer, learningRate: -0.0025 } },
    ],
    ["schedule.name=cosine", { ...config, schedule: { ...config.schedule, name: "cosine" } }],
    ["data.shuffle=false", { ...config, data: { ...config.data, shuffle: false } }],
    ["model.tied=true", config],
    ["model.layers=12", { ...config, model: { layers: 12, tied: true } }],
    [" model.layers = 12 ", { ...config, model: { layers: 12, tied: true } }],
    ["data.file=a=b c=", { ...config, data: { ...config.data, file: "a=b c=" } }],
    ["data.file=", { ...config, data: { ...config.data, file: "" } }],
    ["data.file=3", { ...config, data: { ...config.data, file: "3" } }],
  ];
  for (const [assignment, expected] of cases) {
    assert.deepEqual(assign(config, assignment), E.right(expected), assignment);
  }
  assert.deepEqual(config, before);
});

Deno.test("assign() of the value that a setting has changes nothing, whatever the setting", () => {
  for (const [path, value] of settings(config)) {
    assert.deepEqual(assign(config, `${path}=${value}`), E.right(config), path);
  }
});

Deno.test("assign() gives a number setting any finite number that has a text", () => {
  const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0 || 0);
  fc.assert(fc.property(number, (value) => {
    const changed = assign(config, `optimizer.learningRate=${value}`);
    assert.equal(E.isRight(changed) && changed.right.optimizer.learningRate, value);
  }));
});

Deno.test("assign() refuses what is no path=value", () => {
  for (const found of ["", "seed", "seed:7", "=7", "="]) {
    assert.deepEqual(assign(config, found), E.left({ type: "BadAssignment", found }));
  }
});

Deno.test("assign() refuses a setting that is not there, and names those near it", () => {
  const near = (path: string) => {
    const result = assign(config, `${path}=1`);
    assert.ok(E.isLeft(result) && result.left.type === "UnknownSetting", path);
    assert.equal(result.left.path, path);
    return result.left.near;
  };
  assert.deepEqual(near("optimizer.learningrte"), ["optimizer.learningRate"]);
  assert.deepEqual(near("sede"), ["seed"]);
  for (
    const path of ["optimizer", "model", "model.__proto__", "toString", "model.heads.x", "a.b.c"]
  ) {
    near(path);
  }
});

Deno.test("assign() refuses a value of another type than the setting has", () => {
  const cases: readonly (readonly [path: string, expected: string, values: readonly string[]])[] = [
    ["seed", "a number", ["", "x", "1x", "1,5", "NaN", "Infinity", "-Infinity", "1e999", "true"]],
    ["data.shuffle", "a boolean", ["", "yes", "1", "True", "FALSE", "truefalse"]],
  ];
  for (const [path, expected, values] of cases) {
    for (const found of values) {
      const error = { type: "BadSetting", path, expected, found };
      assert.deepEqual(assign(config, `${path}=${found}`), E.left(error));
    }
  }
});

Deno.test("mergeConfig() replaces the members that the changes name, group by group", () => {
  const merged = mergeConfig(config, {
    seed: 0,
    steps: { max: 5 },
    optimizer: { learningRate: 0, momentum: 0.9 },
    model: { tied: false, heads: 4 },
  });
  assert.deepEqual(merged, {
    ...config,
    seed: 0,
    steps: { max: 5 },
    optimizer: { ...config.optimizer, learningRate: 0, momentum: 0.9 },
    model: { layers: 2, tied: false, heads: 4 },
  });
  assert.deepEqual(mergeConfig(config, {}), config);
  assert.equal(defaultConfig.seed, 42);
  assert.deepEqual(defaultConfig.model, {});
});

Deno.test("mergeConfig() changes neither of its arguments", () => {
  const base = structuredClone(config);
  const changes = { optimizer: { learningRate: 1 }, model: { layers: 3 } };
  mergeConfig(base, changes);
  assert.deepEqual(base, config);
  assert.deepEqual(changes, { optimizer: { learningRate: 1 }, model: { layers: 3 } });
});

const count = "a whole number of at least 0";
const positive = "a whole number of at least 1";
const notNegative = "a number of at least 0";
const belowOne = "a number from 0 up to, not including, 1";

const notCounts: readonly Setting[] = [-1, 0.5, NaN, Infinity, 2 ** 53, "1", true];
const notShares: readonly Setting[] = [-0.1, 1.1, NaN, Infinity, "0", true];

/** Of each setting that has a rule: what it expects, values that break it, values that do not. */
const RULES: readonly (readonly [
  path: string,
  expected: string,
  bad: readonly Setting[],
  good: readonly Setting[],
])[] = [
  [
    "batch.grain",
    "0, or a whole number of at least 1 that divides batch.micro",
    [-1, 3, 16, 0.5, NaN, "8"],
    [0, 1, 2, 4, 8],
  ],
  [
    "batch.micro",
    "a whole number of at least 1 that divides batch.size and is a multiple of batch.grain",
    [0, -1, 3, 5, 16, 0.5, NaN, "8"],
    [1, 2, 4, 8],
  ],
  ["batch.size", positive, [0, -1, 2 ** 53, "1", true], [8, 800]],
  ["clip.norm", notNegative, [-0.1, NaN, "1"], [0, 0.1, 5]],
  ["clip.value", notNegative, [-0.1, NaN, "1"], [0, 0.1, 5]],
  ["data.shuffle", "true or false", [1, 0, "true"], [true, false]],
  ["ema.decay", belowOne, [1, ...notShares], [0, 0.5, 0.999]],
  ["evaluate.batches", count, notCounts, [0, 1, 9]],
  ["evaluate.every", count, notCounts, [0, 1, 9]],
  ["evaluate.patience", count, notCounts, [0, 1, 9]],
  ["fingerprint.every", count, notCounts, [0, 1, 9]],
  [
    "lossScale.growthInterval",
    "a whole number from 1 to 2^24",
    [0, 2 ** 24 + 1, ...notCounts],
    [1, 2000, 2 ** 24],
  ],
  [
    "lossScale.initial",
    "a power of two from 1 to 2^24",
    [0, -2, 0.5, 3, 2 ** 25, NaN, Infinity, "2", true],
    [1, 2, 65536, 2 ** 24],
  ],
  ["optimizer.beta1", belowOne, [1, ...notShares], [0, 0.9, 1 - 2 ** -53]],
  ["optimizer.beta2", belowOne, [1, ...notShares], [0, 0.9, 1 - 2 ** -53]],
  ["optimizer.epsilon", "a number above 0", [0, -1e-8, NaN, "1"], [5e-324, 1e-8, 1]],
  ["optimizer.learningRate", notNegative, [-1e-9, NaN, "1"], [0, 1e-9, 10]],
  ["optimizer.momentum", belowOne, [1, ...notShares], [0, 0.9]],
  [
    "optimizer.name",
    "one of sgd, adam, adamw, lion, adafactor",
    ["Adam", "SGD", "", 1, true],
    ["sgd", "adam", "adamw", "lion", "adafactor"],
  ],
  ["optimizer.nesterov", "true or false", [1, 0, "true"], [true, false]],
  ["optimizer.weightDecay", notNegative, [-1e-9, NaN, "1"], [0, 0.1]],
  [
    "precision",
    "one of float32, mixed_float16",
    ["float16", "mixed", "", 16],
    ["float32", "mixed_float16"],
  ],
  ["save.best", "true or false", [1, 0, "true"], [true, false]],
  ["save.every", count, notCounts, [0, 1, 50]],
  ["save.maxOverhead", "a number above 0 and up to 1", [0, ...notShares], [1e-6, 0.02, 1]],
  ["save.maxReplaySeconds", notNegative, [-1, NaN, "1"], [0, 0.001, 600]],
  ["schedule.every", positive, [0, ...notCounts], [1, 100]],
  ["schedule.factor", "a number from 0 to 1", notShares, [0, 0.5, 1]],
  [
    "schedule.name",
    "one of constant, cosine, step, warmupStableDecay",
    ["linear", "Cosine", "", 1],
    ["constant", "cosine", "step", "warmupStableDecay"],
  ],
  ["schedule.steps", count, notCounts, [0, 1, 2000]],
  ["schedule.warmupSteps", count, notCounts, [0, 1, 2000]],
  ["seed", count, notCounts, [0, 1, 2 ** 53 - 1]],
  ["steps.max", positive, [0, ...notCounts], [1, 1e9]],
];

Deno.test("checkConfig() takes the defaults, and every value within its rules", () => {
  assert.equal(checked(defaultConfig), defaultConfig);
  for (const [path, , , good] of RULES) {
    for (const value of good) {
      const changed = withValue(defaultConfig, path, value);
      assert.equal(checked(changed), changed, `${path}=${value}`);
    }
  }
});

Deno.test("checkConfig() refuses what breaks a rule: path, what was expected, what was found", () => {
  for (const [path, expected, bad] of RULES) {
    for (const value of bad) {
      assert.deepEqual(
        checked(withValue(micro1, path, value)),
        { type: "BadSetting", path, expected, found: String(value) },
        `${path}=${value}`,
      );
    }
  }
});

Deno.test("checkConfig() refuses a batch size that is no whole number", () => {
  for (const size of [0.5, NaN, Infinity]) {
    const error = checked(
      mergeConfig(defaultConfig, { batch: { size, micro: 1 } }),
    ) as SettingError;
    assert.equal(error.type, "BadSetting");
    // Which of the two is named is left open: neither divides the other.
    assert.ok(error.type === "BadSetting" && error.path.startsWith("batch."));
  }
});

Deno.test("checkConfig() has a rule for every setting that is not a recipe's own", () => {
  assert.deepEqual(RULES.map(([path]) => path), [...settings(defaultConfig).keys()]);
});

Deno.test("checkConfig() names the first of several bad settings in sorted order", () => {
  const bad = mergeConfig(defaultConfig, { steps: { max: 0 }, save: { every: -1 }, seed: -1 });
  const error = checked(bad) as SettingError;
  assert.equal(error.type === "BadSetting" && error.path, "save.every");
});

Deno.test("checkConfig() names a bad setting that was asked for before any other", () => {
  const { batch } = defaultConfig;
  const config = mergeConfig(defaultConfig, { batch: { ...batch, size: 8, micro: 2, grain: 4 } });
  for (const path of ["batch.micro", "batch.grain"]) {
    const result = checkConfig(config, [path]);
    assert.ok(E.isLeft(result) && result.left.type === "BadSetting");
    assert.equal(result.left.path, path);
  }
});

Deno.test("checkConfig() leaves a recipe's own settings to the recipe", () => {
  const own = { layers: -1, seed: "x", max: 0.5, shuffle: "no" };
  const changed = mergeConfig(defaultConfig, { model: own, data: { file: "", every: -1 } });
  assert.equal(checked(changed), changed);
});

/** With micro-batches of one sample, which divide any batch, so that batch.size has its own rule. */
const micro1 = mergeConfig(defaultConfig, { batch: { size: 8, micro: 1 } });

function checked(config: RunConfig): RunConfig | SettingError {
  const result = checkConfig(config);
  return E.isLeft(result) ? result.left : result.right;
}

/** The config with one leaf replaced, whatever the value: a config file can hold anything. */
function withValue(config: RunConfig, path: string, value: Setting): RunConfig {
  const [group, name] = path.split(".") as [keyof RunConfig, string?];
  if (name === undefined) return { ...config, [group]: value };
  return { ...config, [group]: { ...(config[group] as object), [name]: value } };
}
