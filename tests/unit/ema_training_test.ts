import assert from "node:assert/strict";
import { arraySource, defineTask, memoryStore, orThrow, readRun, trainRun } from "foldlog";
import * as tf from "foldlog/tf";
import type { PartialConfig } from "../../src/core/config.ts";
import type { HostTensor } from "../../src/core/host_tensor.ts";
import type { Device } from "../../src/ports/device.ts";
import type { Store } from "../../src/ports/store.ts";
import { backendTest } from "../support/backends.ts";

const DECAY = 0.75;

/** A slope that is pulled to 4, evaluated at every step, with a snapshot of each. */
function task(config: PartialConfig) {
  const data = (name: string) => {
    const one: HostTensor = { dtype: "float32", shape: [4, 1], data: new Float32Array(4).fill(1) };
    return arraySource(name, { x: one });
  };
  const loss = ({ w }: { readonly w: tf.Scalar }, { x }: { readonly x: tf.Tensor }) =>
    tf.mean<tf.Scalar>(tf.squaredDifference(tf.mul(x, w), 4));
  return defineTask({
    name: "pulled",
    config: {
      steps: { max: 5 },
      batch: { size: 2, micro: 2 },
      optimizer: { name: "sgd", learningRate: 0.125 },
      save: { every: 1 },
      evaluate: { every: 1, batches: 1 },
      ...config,
    },
    data: data("ones"),
    evaluation: { data: data("held out"), loss },
    init: () => ({ w: tf.scalar(0) }),
    loss,
  });
}

backendTest("cpu", "an average of the weights is kept, evaluated and stored", async (device) => {
  const store = memoryStore();
  await train(device, store, { ema: { decay: DECAY } });
  const { state, events } = await orThrow(readRun(store, "run"));
  let [w, ema] = [0, 0];
  for (const { step, snapshot } of state.snapshots) {
    w = step === 0 ? 0 : w + 0.25 * (4 - w);
    ema = step === 0 ? 0 : ema + 0.25 * (w - ema);
    const { groups } = await orThrow(store.snapshots.get(snapshot));
    const values = ["model", "ema"].map((group) => groups[group]!.get("w")!.data[0]);
    assert.deepEqual(values, [w, ema], `step ${step}`);
    const taken = events.find(({ event }) =>
      event.type === "EvaluationTaken" && event.data.step === step
    )?.event.data;
    const losses = { loss: (w - 4) ** 2, emaLoss: (ema - 4) ** 2 };
    assert.deepEqual(taken, { step, samples: 2, ...losses });
  }
  assert.equal(state.step, 5);
  assert.deepEqual(state.bestEvaluation, { step: 5, loss: (ema - 4) ** 2 }); // the average is judged
});

backendTest("cpu", "keeping an average changes no bit of the training", async (device) => {
  const [plain, averaged] = [memoryStore(), memoryStore()];
  await train(device, plain, {});
  await train(device, averaged, { ema: { decay: DECAY } });
  const steps = await Promise.all([plain, averaged].map(async (store) => {
    const { events } = await orThrow(readRun(store, "run"));
    return events.flatMap(({ event }) => event.type === "StepTaken" ? [event.data] : []);
  }));
  assert.deepEqual(steps[0], steps[1]);
});

backendTest("cpu", "hazard 44: the average goes on where it was, at any step", async (device) => {
  const averaged = task({ ema: { decay: DECAY } });
  const whole = memoryStore();
  await orThrow(trainRun({ store: whole, device }, "run", averaged));
  const expected = (await orThrow(readRun(whole, "run"))).state.snapshots.at(-1)!;
  for (let until = 1; until < 5; until++) {
    const store = memoryStore();
    await orThrow(trainRun({ store, device }, "run", averaged, { until }));
    const { state } = await orThrow(trainRun({ store, device }, "run", task({}))); // as recorded
    assert.equal(state.snapshots.at(-1)!.snapshot, expected.snapshot, `paused at ${until}`);
    const { groups } = await orThrow(store.snapshots.get(expected.snapshot));
    assert.deepEqual(Object.keys(groups).sort(), ["ema", "model", "optimizer"]);
  }
});

async function train(device: Device, store: Store, config: PartialConfig): Promise<void> {
  const { status } = await orThrow(trainRun({ store, device }, "run", task(config)));
  assert.equal(status, "completed");
}
