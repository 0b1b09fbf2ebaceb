import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import * as tf from "foldlog/tf";
import { arraySource } from "../../src/adapters/data/array_source.ts";
import { memoryStore } from "../../src/adapters/memory/memory_store.ts";
import { describeError } from "../../src/app/errors/describe_error.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";
import { readRun } from "../../src/app/reading/read_run.ts";
import { replayRun } from "../../src/app/replay/replay_run.ts";
import { environmentChanges } from "../../src/core/environment.ts";
import { trainRun } from "../../src/app/training/train_run.ts";
import { verifyRun } from "../../src/app/upkeep/verify_run.ts";
import type { Device } from "../../src/ports/device.ts";
import type { Store } from "../../src/ports/store.ts";
import { defineTask } from "../../src/ports/task.ts";
import { backendTest } from "../support/backends.ts";

const x = { dtype: "float32", shape: [4, 1], data: Float32Array.of(0, 1, 2, 3) } as const;
const task = defineTask({
  name: "double",
  config: { steps: { max: 6 }, batch: { size: 4, micro: 4 }, save: { every: 0 } },
  data: arraySource("x", { x }),
  init: () => ({ slope: tf.scalar(0) }),
  loss: ({ slope }, { x }) =>
    tf.mean<tf.Scalar>(tf.squaredDifference(tf.mul(x, 2), tf.mul(x, slope))),
});

backendTest("cpu", "another environment is refused, and named member by member", async (device) => {
  const store = memoryStore();
  await orThrow(trainRun({ store, device }, "a", task, { until: 3 }));
  const refused = await trainRun({ store, device: elsewhere(device) }, "a", task)();
  assert.ok(E.isLeft(refused) && refused.left.type === "EnvironmentChanged");
  const [change] = refused.left.changes;
  assert.deepEqual([change!.member, change!.current], ["runtime", "another"]);
  assert.match(describeError(refused.left), /runtime: recorded ".+", now "another"/);
});

backendTest(
  "cpu",
  "an accepted environment is recorded, and a replay does not claim the steps before it",
  async (device) => {
    const store = memoryStore();
    const there = elsewhere(device);
    await orThrow(trainRun({ store, device }, "a", task, { until: 3 }));
    const options = { acceptEnvironment: true };
    await orThrow(trainRun({ store, device: there }, "a", task, options));
    const { state, events } = await orThrow(readRun(store, "a"));
    assert.deepEqual([state.status, state.environment], ["completed", there.environment]);
    const resumed = events.find(({ event }) => event.type === "RunResumed")!.event;
    assert.deepEqual(resumed.data, { step: 3, environment: there.environment });
    assert.equal((await orThrow(verifyRun(store, "a"))).ok, true);
    const replayed = await replayRun({ store, device: there }, "a", task)();
    assert.ok(E.isLeft(replayed) && replayed.left.type === "ComputedElsewhere");
    assert.deepEqual([replayed.left.from, replayed.left.to], [1, 3]);
  },
);

backendTest(
  "cpu",
  "steps that would have to be recomputed elsewhere are named before anything is computed",
  async (device) => {
    const store = memoryStore();
    await dieAfterStep(store, device, 3);
    const before = await orThrow(readRun(store, "a"));
    const options = { acceptEnvironment: true };
    const refused = await trainRun({ store, device: elsewhere(device) }, "a", task, options)();
    assert.ok(E.isLeft(refused) && refused.left.type === "ComputedElsewhere");
    assert.deepEqual([refused.left.from, refused.left.to], [1, 3]);
    assert.match(describeError(refused.left), /Steps 1 to 3 .* --backend cpu/s);
    assert.deepEqual((await orThrow(readRun(store, "a"))).events, before.events);
  },
);

const SUM = "foldlog.SumRows";

backendTest("cpu", "a kernel that computes other bits is refused, and named", async (device) => {
  const store = memoryStore();
  await orThrow(trainRun({ store, device }, "a", task, { until: 3 }));
  const changed = withKernels(device, { [SUM]: "0123456789abcdef" });
  const refused = await trainRun({ store, device: changed }, "a", task)();
  assert.ok(E.isLeft(refused) && refused.left.type === "EnvironmentChanged");
  const recorded = device.environment.kernels![SUM]!;
  assert.deepEqual(refused.left.changes, [
    { member: "kernels", kernel: SUM, recorded, current: "0123456789abcdef" },
  ]);
  assert.match(describeError(refused.left), /kernels compute other bits here: foldlog\.SumRows\n/);
  const options = { acceptEnvironment: true };
  const { state } = await orThrow(trainRun({ store, device: changed }, "a", task, options));
  assert.equal(state.environment?.kernels?.[SUM], "0123456789abcdef");
});

backendTest("cpu", "a kernel that was added since a run began is no change", async (device) => {
  const store = memoryStore();
  await orThrow(trainRun({ store, device }, "a", task, { until: 3 }));
  const added = withKernels(device, { "foldlog.Another": "0123456789abcdef" });
  await orThrow(trainRun({ store, device: added }, "a", task));
});

backendTest("cpu", "a kernel that is recorded and not here is a change", (device) => {
  const { [SUM]: recorded, ...kernels } = device.environment.kernels!;
  const { environment } = device;
  assert.deepEqual(environmentChanges(environment, { ...environment, kernels }), [
    { member: "kernels", kernel: SUM, recorded, current: "missing" },
  ]);
  const { kernels: _, ...silent } = environment;
  const all = environmentChanges(environment, silent).map(({ kernel }) => kernel);
  assert.deepEqual(all, Object.keys(environment.kernels!).toSorted());
  const text = describeError({
    type: "EnvironmentChanged",
    changes: environmentChanges(environment, silent),
  });
  assert.match(text, new RegExp(`other bits here: .*, .* and ${all.length - 5} more\n`));
});

backendTest("cpu", "a log without kernels goes on where they are known", async (device) => {
  const store = memoryStore();
  const { kernels: _, ...environment } = device.environment;
  await orThrow(trainRun({ store, device: { ...device, environment } }, "a", task, { until: 3 }));
  const { state, events } = await orThrow(readRun(store, "a"));
  assert.equal("kernels" in state.environment!, false);
  await orThrow(trainRun({ store, device }, "a", task));
  const after = await orThrow(readRun(store, "a"));
  assert.deepEqual(after.state.environment, environment);
  assert.deepEqual(after.events.slice(0, events.length), events);
  assert.equal((await orThrow(replayRun({ store, device }, "a", task))).ok, true);
});

function withKernels(device: Device, other: Readonly<Record<string, string>>): Device {
  const { environment } = device;
  return {
    ...device,
    environment: { ...environment, kernels: { ...environment.kernels, ...other } },
  };
}

function elsewhere(device: Device): Device {
  return { ...device, environment: { ...device.environment, runtime: "another" } };
}

/** Ends the training as a kill would: without a word. */
async function dieAfterStep(store: Store, device: Device, step: number): Promise<void> {
  const report = (notice: { readonly type: string; readonly step?: number }) => {
    if (notice.type === "Step" && notice.step === step) throw new Error("killed");
  };
  await assert.rejects(trainRun({ store, device, reporter: { report } }, "a", task)(), /killed/);
}
