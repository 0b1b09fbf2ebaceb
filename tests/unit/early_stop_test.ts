import assert from "node:assert/strict";
import {
  arraySource,
  defineTask,
  memoryStore,
  orThrow,
  readRun,
  replayRun,
  trainRun,
} from "foldlog";
import * as tf from "foldlog/tf";
import type { PartialConfig } from "../../src/core/config.ts";
import type { HostTensor } from "../../src/core/host_tensor.ts";
import { verifyRun } from "../../src/app/upkeep/verify_run.ts";
import { backendTest } from "../support/backends.ts";

/** w goes up by one at each step; the held-out loss is lowest at step 3: 9, 4, 1, 0, 1, 4, ... */
function climb(evaluate: PartialConfig["evaluate"]) {
  const one: HostTensor = { dtype: "float32", shape: [2, 1], data: Float32Array.of(1, 1) };
  type Params = { readonly w: tf.Scalar };
  return defineTask({
    name: "climb",
    config: {
      steps: { max: 20 },
      batch: { size: 1, micro: 1 },
      optimizer: { name: "sgd", learningRate: 1 },
      save: { every: 3 },
      evaluate: { every: 1, batches: 1, ...evaluate },
    },
    data: arraySource("ones", { x: one }),
    evaluation: {
      data: arraySource("held out", { x: one }),
      loss: ({ w }: Params) => tf.squaredDifference<tf.Scalar>(w, 3),
    },
    init: (): Params => ({ w: tf.scalar(0) }),
    loss: ({ w }: Params, { x }) => tf.neg(tf.mean<tf.Scalar>(tf.mul(x, w))),
  });
}

backendTest(
  "cpu",
  "a training ends when as many evaluations were no better as it has patience",
  async (device) => {
    for (const [patience, last] of [[1, 4], [2, 5], [5, 8], [0, 20], [17, 20], [18, 20]] as const) {
      const store = memoryStore();
      const { status, state } = await orThrow(
        trainRun({ store, device }, "run", climb({ patience })),
      );
      assert.deepEqual([status, state.step], ["completed", last], `patience ${patience}`);
      assert.deepEqual(state.bestEvaluation, { step: 3, loss: 0 });
      const { step, reason } = state.snapshots.at(-1)!;
      assert.deepEqual([step, reason], [last, "final"]);
      assert.deepEqual((await orThrow(verifyRun(store, "run"))).problems, []);
      assert.deepEqual(
        (await orThrow(replayRun({ store, device }, "run", climb({})))).problems,
        [],
      );
    }
  },
);

backendTest("cpu", "what was interrupted ends where it would have", async (device) => {
  const task = climb({ patience: 2 });
  const whole = memoryStore();
  await orThrow(trainRun({ store: whole, device }, "run", task));
  const expected = (await orThrow(readRun(whole, "run"))).state;
  for (let until = 1; until <= 5; until++) {
    const store = memoryStore();
    await orThrow(trainRun({ store, device }, "run", task, { until }));
    const { status, state } = await orThrow(trainRun({ store, device }, "run", task));
    assert.deepEqual([status, state.step], ["completed", 5]);
    assert.equal(state.snapshots.at(-1)!.snapshot, expected.snapshots.at(-1)!.snapshot);
    const again = await orThrow(trainRun({ store, device }, "run", task)); // it stays ended
    assert.deepEqual([again.status, again.state.version], ["completed", state.version]);
  }
});

backendTest("cpu", "an evaluation that is not due at a step does not end it", async (device) => {
  const store = memoryStore();
  const task = climb({ patience: 1, every: 2 }); // at 2: 1, at 4: 1, which is no better
  const { state } = await orThrow(trainRun({ store, device }, "run", task));
  assert.equal(state.step, 4);
});
