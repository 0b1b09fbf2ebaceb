import assert from "node:assert/strict";
import { memoryStore } from "../../src/adapters/memory_store.ts";
import { orThrow } from "../../src/app/or_throw.ts";
import { readParams, readRun } from "../../src/app/read_run.ts";
import { trainRun } from "../../src/app/train_run.ts";
import { defineTask } from "../../src/ports/task.ts";
import { arraySource } from "../../src/adapters/array_source.ts";
import * as tf from "foldlog/tf";
import { backendTest } from "../support/backends.ts";

const x = { dtype: "float32", shape: [4, 1], data: Float32Array.of(0, 1, 2, 3) } as const;
const task = defineTask({
  name: "double",
  config: {
    steps: { max: 60 },
    batch: { size: 4, micro: 4 },
    optimizer: { learningRate: 0.2 },
    save: { every: 0 },
  },
  data: arraySource("x", { x }),
  init: () => ({ slope: tf.scalar(0) }),
  loss: ({ slope }, { x }) =>
    tf.mean<tf.Scalar>(tf.squaredDifference(tf.mul(x, 2), tf.mul(x, slope))),
});

backendTest("cpu", "readParams() gives the parameters of the newest snapshot", async (device) => {
  const store = memoryStore();
  await orThrow(trainRun({ store, device }, "a", task, { until: 0 }));
  assert.deepEqual([...(await orThrow(readParams(store, "a"))).get("slope")!.data], [0]);
  await orThrow(trainRun({ store, device }, "a", task));
  const params = await orThrow(readParams(store, "a"));
  assert.deepEqual([...params.keys()], ["slope"]);
  assert.ok(Math.abs(params.get("slope")!.data[0]! - 2) < 0.1, String(params.get("slope")!.data));
});

backendTest("cpu", "readParams() and readRun() of a run that is not there say so", async () => {
  const store = memoryStore();
  await assert.rejects(orThrow(readRun(store, "nobody")), /There is no run "nobody"/);
  await assert.rejects(orThrow(readParams(store, "nobody")), /There is no run "nobody"/);
});
