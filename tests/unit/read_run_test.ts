import assert from "node:assert/strict";
import * as TE from "fp-ts/TaskEither.js";
import { memoryStore } from "../../src/adapters/memory/memory_store.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";
import { readHead, readParams, readRun } from "../../src/app/reading/read_run.ts";
import { trainRun } from "../../src/app/training/train_run.ts";
import { evolve, initialState } from "../../src/core/evolve.ts";
import { defineTask } from "../../src/ports/task.ts";
import { arraySource } from "../../src/adapters/data/array_source.ts";
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

backendTest("cpu", "readHead() gives the state that readRun() folds", async (device) => {
  const store = memoryStore();
  for (const until of [0, 7, 60]) {
    await orThrow(trainRun({ store, device }, "a", task, { until }));
    const { state, ends } = await orThrow(readHead(store, "a"));
    const whole = await orThrow(readRun(store, "a"));
    assert.deepEqual(state, whole.state);
    assert.deepEqual(ends, { first: whole.events[0], last: whole.events.at(-1) });
    assert.equal(state.step, until);
  }
});

backendTest("cpu", "readHead() goes on from the state that the log kept", async (device) => {
  const store = memoryStore();
  await orThrow(trainRun({ store, device }, "a", task));
  const { events, state } = await orThrow(readRun(store, "a"));
  for (const count of [1, 30, events.length]) {
    const base = events.slice(0, count).reduce(
      (folded, { event }) => evolve(folded, event),
      initialState,
    );
    const recent = { base, events: events.slice(count) };
    const log = { ...store.log, recent: () => TE.right(recent) };
    assert.deepEqual((await orThrow(readHead({ ...store, log }, "a"))).state, state);
  }
});

backendTest("cpu", "readParams() of a run without a snapshot says so", async (device) => {
  const store = memoryStore();
  await orThrow(trainRun({ store, device }, "a", task, { until: 0 }));
  const events = (await orThrow(readRun(store, "a"))).events.slice(0, 1);
  const log = { ...store.log, recent: () => TE.right({ base: initialState, events }) };
  await assert.rejects(orThrow(readParams({ ...store, log }, "a")), /missing: expected .*run "a"/);
});

backendTest("cpu", "reading a run that is not there says so", async () => {
  const store = memoryStore();
  await assert.rejects(orThrow(readHead(store, "nobody")), /There is no run "nobody"/);
  await assert.rejects(orThrow(readRun(store, "nobody")), /There is no run "nobody"/);
  await assert.rejects(orThrow(readParams(store, "nobody")), /There is no run "nobody"/);
});
