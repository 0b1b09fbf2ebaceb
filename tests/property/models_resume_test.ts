import assert from "node:assert/strict";
import {
  adamw,
  arraySource,
  classificationLoss,
  defineTask,
  encoderOutputs,
  type EncoderParams,
  type EncoderSizes,
  foldIn,
  initEncoder,
  initLora,
  initUnet,
  isTrainingFact,
  key,
  type LoraOptions,
  memoryStore,
  normal,
  orThrow,
  readRun,
  regressionLoss,
  type RunEvent,
  type Store,
  type SupervisedTensors,
  type Task,
  trainRun,
  unetOutputs,
  type UnetParams,
  withLora,
} from "foldlog";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { backendTest } from "../support/backends.ts";

const LORA: LoraOptions = { rank: 2, alpha: 4, targets: ["h.*.c_*.weight"], rslora: true };

const CONFIG = { steps: { max: 6 }, batch: { size: 4, micro: 2 }, save: { every: 3 } } as const;

const TASKS: Readonly<Record<string, (seed: number) => Task>> = {
  "an adapted encoder with full attention and dropout": (seed) => adaptedEncoder("full", seed),
  "an adapted encoder with causal attention and dropout": (seed) => adaptedEncoder("causal", seed),
  "a U-Net": unet,
  "an adapted U-Net": adaptedUnet,
};

for (const backend of BACKENDS) {
  for (const [model, taskOf] of Object.entries(TASKS)) {
    backendTest(backend, `${model} resumes bit for bit`, async (device) => {
      // Trains in a store, from its newest snapshot on, with a task that is made anew.
      const trained = (store: Store, seed: number, until = 6) =>
        orThrow(trainRun({ store, device }, "run", taskOf(seed), { until }));
      const whole = memoryStore();
      await trained(whole, 1);
      const halves = memoryStore();
      await trained(halves, 1, 3);
      await trained(memoryStore(), 2, 2); // a decoy
      await trained(halves, 1);
      const events = await eventsOf(whole);
      assert.ok(events.some(({ type }) => type === "SnapshotTaken"));
      assert.deepEqual(await eventsOf(halves), events);
    });
  }
}

/** Its adapters and its norms are trained, and the rest is frozen. */
function adaptedEncoder(attention: EncoderSizes["attention"], seed: number) {
  const sizes: EncoderSizes = {
    input: { features: 3 },
    context: 4,
    outputs: 2,
    layers: 1,
    heads: 2,
    channels: 4,
    dropout: 0.25,
    attention,
    pooling: "mean",
  };
  const encoderLoss = classificationLoss<EncoderParams>((params, inputs, key) =>
    encoderOutputs(params, inputs, sizes, key)
  );
  return defineTask({
    name: `adapted encoder, ${attention}`,
    config: { ...CONFIG, seed },
    data: arraySource("sequences", {
      inputs: { dtype: "float32", shape: [8, 4, 3], data: normal(key(1), 8 * 4 * 3) },
      targets: { dtype: "int32", shape: [8], data: Int32Array.of(0, 1, 1, 0, 1, 0, 0, 1) },
    }),
    optimizer: adamw({ weightDecay: 0.1 }),
    trainable: ["lora.*", /\.ln_\w\./],
    init(key) {
      const base = initEncoder(sizes, foldIn(key, "base"));
      return { base, lora: initLora(base, LORA, foldIn(key, "lora")) };
    },
    loss: ({ base, lora }, batch: SupervisedTensors, key) =>
      encoderLoss(withLora(base, lora, LORA), batch, key),
  });
}

const UNET = { inputs: 3, outputs: 2, channels: [4, 6] };
const UNET_LORA: LoraOptions = { rank: 2, alpha: 4, targets: ["*.kernel"] };
const unetRegression = regressionLoss<UnetParams>((params, x) => unetOutputs(params, x, UNET));
const unetClassification = classificationLoss<UnetParams>((params, x) =>
  unetOutputs(params, x, UNET)
);

/** Two numbers a pixel, estimated by a U-Net all of which is trained. */
function unet(seed: number) {
  return defineTask({
    name: "U-Net",
    config: { ...CONFIG, seed },
    data: arraySource("images", {
      inputs: { dtype: "float32", shape: [8, 6, 4, 3], data: normal(key(1), 8 * 24 * 3) },
      targets: { dtype: "float32", shape: [8, 6, 4, 2], data: normal(key(2), 8 * 24 * 2) },
    }),
    optimizer: adamw({ weightDecay: 0.1 }),
    init: (key) => initUnet(UNET, key),
    loss: unetRegression,
  });
}

/** A class a pixel, by a U-Net whose convolutions have adapters. */
function adaptedUnet(seed: number) {
  const classes = Int32Array.from(normal(key(2), 8 * 24), (value) => value < 0 ? 0 : 1);
  return defineTask({
    name: "adapted U-Net",
    config: { ...CONFIG, seed },
    data: arraySource("images", {
      inputs: { dtype: "float32", shape: [8, 6, 4, 3], data: normal(key(1), 8 * 24 * 3) },
      targets: { dtype: "int32", shape: [8, 6, 4], data: classes },
    }),
    optimizer: adamw({ weightDecay: 0.1 }),
    trainable: "lora.*",
    init(key) {
      const base = initUnet(UNET, foldIn(key, "base"));
      return { base, lora: initLora(base, UNET_LORA, foldIn(key, "lora")) };
    },
    loss: ({ base, lora }, batch: SupervisedTensors) =>
      unetClassification(withLora(base, lora, UNET_LORA), batch),
  });
}

/** What training made of it: neither pauses nor resumes. */
async function eventsOf(store: Store): Promise<readonly RunEvent[]> {
  const { events } = await orThrow(readRun(store, "run"));
  return events.map(({ event }) => event).filter(isTrainingFact);
}
