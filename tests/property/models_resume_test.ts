import assert from "node:assert/strict";
import {
  adamw,
  arraySource,
  classificationLoss,
  defineTask,
  type Device,
  encoderOutputs,
  type EncoderParams,
  type EncoderSizes,
  foldIn,
  initEncoder,
  initLora,
  isTrainingFact,
  key,
  type LoraOptions,
  memoryStore,
  normal,
  orThrow,
  readRun,
  type RunEvent,
  type Store,
  type SupervisedTensors,
  trainRun,
  withLora,
} from "foldlog";
import { BACKENDS } from "../../src/adapters/backend_choice.ts";
import { backendTest } from "../support/backends.ts";

const LORA: LoraOptions = { rank: 2, alpha: 4, targets: ["h.*.c_*.weight"], rslora: true };

for (const backend of BACKENDS) {
  for (const attention of ["full", "causal"] as const) {
    backendTest(
      backend,
      `an adapted encoder with ${attention} attention and dropout resumes bit for bit`,
      async (device) => {
        const whole = memoryStore();
        await trained(whole, device, attention, 1);
        const halves = memoryStore();
        await trained(halves, device, attention, 1, 3);
        await trained(memoryStore(), device, attention, 2, 2); // a decoy
        await trained(halves, device, attention, 1);
        const events = await eventsOf(whole);
        assert.ok(events.some(({ type }) => type === "SnapshotTaken"));
        assert.deepEqual(await eventsOf(halves), events);
      },
    );
  }
}

/** Trains in a store, from its newest snapshot on, with a task that is made anew. */
async function trained(
  store: Store,
  device: Device,
  attention: EncoderSizes["attention"],
  seed: number,
  until = 6,
): Promise<void> {
  const task = adaptedEncoder(attention, seed);
  await orThrow(trainRun({ store, device }, "run", task, { until }));
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
    config: { seed, steps: { max: 6 }, batch: { size: 4, micro: 2 }, save: { every: 3 } },
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

/** What training made of it: neither pauses nor resumes. */
async function eventsOf(store: Store): Promise<readonly RunEvent[]> {
  const { events } = await orThrow(readRun(store, "run"));
  return events.map(({ event }) => event).filter(isTrainingFact);
}
