import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  bisectRuns,
  collectGarbage,
  type Device,
  diffRuns,
  type ForkOptions,
  forkRun,
  isStep,
  orThrow,
  readRun,
  replayRun,
  resumeRun,
  type RunEvent,
  type Store,
  type TaskSource,
  trainRun,
  verifyRun,
} from "foldlog";
import { backendTest } from "../support/backends.ts";
import { eventsOf, keptBy, tenSteps, trained } from "../support/ten_steps.ts";

for (const at of [0, 3, 4, 10]) {
  backendTest("cpu", `a fork at step ${at} goes on to the bits of its parent`, async (device) => {
    const store = await trained(device);
    const parent = await orThrow(readRun(store, "a"));
    const { origin, recomputation } = await fork(device, store, { at });
    assert.deepEqual(
      [origin.parent.run, origin.parent.step, origin.step, origin.takes],
      ["a", at, at, "state"],
    );
    assert.equal(recomputation.steps, at % 2);
    await go(device, store);
    const steps = (events: readonly RunEvent[]) => events.filter(isStep);
    assert.deepEqual(steps(await eventsOf(store, "b")), steps(await eventsOf(store)).slice(at));
    const { state } = await orThrow(readRun(store, "b"));
    assert.equal(state.status, "completed");
    const last = parent.state.snapshots.at(-1)!;
    assert.equal(state.snapshots.at(-1)!.state, last.state);
    assert.deepEqual((await orThrow(verifyRun(store, "b"))).problems, []);
    assert.deepEqual((await orThrow(readRun(store, "a"))).events, parent.events);
  });
}

backendTest("cpu", "a fork does not need its parent any more", async (device) => {
  const store = await trained(device);
  await fork(device, store, { at: 5 });
  await orThrow(store.log.archive("a"));
  await orThrow(collectGarbage(store));
  await go(device, store);
  assert.equal((await orThrow(readRun(store, "b"))).state.status, "completed");
  assert.deepEqual((await orThrow(replayRun({ store, device }, "b", tenSteps))).problems, []);
});

backendTest(
  "cpu",
  "the snapshot at a fork's step is the very one of its parent",
  async (device) => {
    const store = await trained(device);
    const { origin } = await fork(device, store, { at: 6 });
    assert.equal(origin.snapshot, (await keptBy(store)).get(6));
    const { state } = await orThrow(readRun(store, "b"));
    assert.deepEqual(state.snapshots.map(({ reason, step }) => [reason, step]), [["forked", 6]]);
  },
);

backendTest("cpu", "a fork of the weights begins anew with them", async (device) => {
  const store = await trained(device, {
    config: { optimizer: { name: "adamw", learningRate: 0.1 } },
  });
  const config = { optimizer: { name: "sgd", learningRate: 0.2 }, steps: { max: 4 } } as const;
  const { origin } = await fork(device, store, { weightsOnly: true, config });
  assert.deepEqual([origin.step, origin.index, origin.takes], [0, 0, "weights"]);
  const model = (id: string) => orThrow(store.snapshots.manifest(id));
  const [mine, parents] = [origin.snapshot, (await keptBy(store)).get(10)!];
  assert.equal(origin.parent.state, (await model(parents)).state);
  assert.equal(
    (await model(mine)).files["model"]!.digest,
    (await model(parents)).files["model"]!.digest,
  );
  await go(device, store);
  const { state } = await orThrow(readRun(store, "b"));
  assert.deepEqual([state.status, state.step], ["completed", 4]);
  assert.deepEqual((await orThrow(replayRun({ store, device }, "b", tenSteps))).problems, []);
});

backendTest("cpu", "a fork onto other data begins at their first sample", async (device) => {
  const store = await trained(device);
  const { identity } = tenSteps.data;
  const other = {
    ...tenSteps,
    data: { ...tenSteps.data, identity: { ...identity, digest: "1".repeat(64) } },
  };
  const source: TaskSource = ({ seed }) => seed === 42 ? tenSteps : other;
  const { origin, otherData } = await fork(device, store, { at: 5, config: { seed: 7 } }, source);
  assert.ok(otherData);
  assert.deepEqual([origin.step, origin.epoch, origin.index], [5, 0, 0]);
  await go(device, store, source);
  const data = (await orThrow(readRun(store, "b"))).state.data!;
  assert.equal(data.digest, "1".repeat(64));
});

backendTest(
  "cpu",
  "a fork without samples never uses them, and repeats and loses no other",
  async (device) => {
    const used: number[] = [];
    const { data } = tenSteps;
    const seen = {
      ...tenSteps,
      data: {
        ...data,
        at: (samples: readonly number[]) => (used.push(...samples), data.at(samples)),
      },
    };
    const store = await trained(device);
    const parents: number[] = [];
    const spy = {
      ...data,
      at: (samples: readonly number[]) => (parents.push(...samples), data.at(samples)),
    };
    await orThrow(trainRun({ store, device }, "c", { ...tenSteps, data: spy }));
    const withoutSamples = [parents[7]!, parents[9]!]; // of the first epoch, after step 3
    const { origin } = await fork(device, store, { at: 3, withoutSamples });
    assert.deepEqual(origin.leftOut?.samples, withoutSamples.toSorted((a, b) => a - b));
    await go(device, store, seen);
    assert.ok(used.length >= 14 && !used.some((sample) => withoutSamples.includes(sample)));
    assert.deepEqual(
      used.slice(0, 6),
      parents.slice(6).filter((s) => !withoutSamples.includes(s)).slice(0, 6),
    );
    assert.deepEqual((await orThrow(replayRun({ store, device }, "b", tenSteps))).problems, []);
    assert.deepEqual((await orThrow(verifyRun(store, "b"))).problems, []);
    const { origin: next } = await again(device, store, { at: 5, withoutSamples: [parents[0]!] });
    assert.equal(next.leftOut?.samples.length, new Set([...withoutSamples, parents[0]]).size);
  },
);

backendTest("cpu", "a fork skips the batch of a step of its parent", async (device) => {
  const store = await trained(device);
  const batches = (events: readonly RunEvent[]) =>
    events.filter(isStep).map(({ data }) => data.batch);
  const parents = batches(await eventsOf(store));
  await fork(device, store, { at: 3, skipBatches: [5] });
  await go(device, store);
  assert.deepEqual(
    batches(await eventsOf(store, "b")).slice(0, 6),
    parents.toSpliced(4, 1).slice(3),
  );
  const used = await forkRun({ store, device }, "a", "c", tenSteps, { at: 3, skipBatches: [3] })();
  assert.ok(E.isLeft(used) && used.left.type === "BatchUsed");
});

backendTest("cpu", "what a fork cannot be is said, and nothing is made", async (device) => {
  const store = await trained(device);
  const x = { dtype: "float32", shape: [8, 2], data: new Float32Array(16) } as const;
  const wide = { ...tenSteps, data: { ...tenSteps.data, at: () => ({ x, y: x }) } };
  const misfit = {
    ...wide,
    data: { ...wide.data, identity: { ...wide.data.identity, digest: "2".repeat(64) } },
  };
  const other: TaskSource = ({ seed }) => seed === 42 ? tenSteps : misfit as typeof tenSteps;
  const cases: readonly (readonly [ForkOptions, string, TaskSource?])[] = [
    [{ config: { optimizer: { name: "lion" } } }, "ConfigDiffers"],
    [{ config: { optimizer: { momentum: 0.9 } } }, "ConfigDiffers"],
    [{ config: { steps: { max: 9 } } }, "BadSetting"],
    [{ config: { optimizer: { learningRate: -1 } } }, "BadSetting"],
    [{ at: 11 }, "NoPlace"],
    [{ withoutSamples: [8] }, "NoSuchSample"],
    [{ withoutSamples: [0, 1, 2, 3, 4, 5, 6, 7] }, "NoTask"],
    [{ config: { seed: 7 } }, "DataMisfit", other],
  ];
  for (const [options, type, source = tenSteps] of cases) {
    const result = await forkRun({ store, device }, "a", "b", source, options)();
    assert.ok(E.isLeft(result) && result.left.type === type, JSON.stringify(result));
  }
  const exists = await forkRun({ store, device }, "a", "a", tenSteps)();
  assert.ok(E.isLeft(exists) && exists.left.type === "RunExists");
  assert.deepEqual(await orThrow(store.log.runs()), ["a"]);
});

function fork(device: Device, store: Store, options: ForkOptions, source: TaskSource = tenSteps) {
  return orThrow(forkRun({ store, device }, "a", "b", source, options));
}

function again(device: Device, store: Store, options: ForkOptions) {
  return orThrow(forkRun({ store, device }, "b", "d", tenSteps, options));
}

async function go(device: Device, store: Store, source: TaskSource = tenSteps): Promise<void> {
  await orThrow(trainRun({ store, device }, "b", source, { resume: "must" }));
}

backendTest("cpu", "a fork differs in nothing from before it began", async (device) => {
  const store = await trained(device, { until: 4 });
  const env = { store, device };
  const config = { optimizer: { learningRate: 0.2 } };
  await orThrow(resumeRun(env, "a", tenSteps, { config }));
  await fork(device, store, { at: 8 });
  await go(device, store);
  const found = await orThrow(diffRuns(store, { run: "a" }, { run: "b" }));
  assert.deepEqual([found.event, found.config, found.same], [undefined, [], true]);
  const bisected = await orThrow(bisectRuns(env, "a", "b", tenSteps));
  assert.equal(bisected.parts, false);
});

backendTest("cpu", "a fork at the end has what was changed there", async (device) => {
  const store = await trained(device, { until: 4 });
  const env = { store, device };
  const config = { optimizer: { learningRate: 0.2 } };
  await orThrow(resumeRun(env, "a", tenSteps, { config, until: 4 }));
  await fork(device, store, {});
  await orThrow(resumeRun(env, "a", tenSteps));
  await go(device, store);
  const steps = (events: readonly RunEvent[]) => events.filter(isStep);
  assert.deepEqual(steps(await eventsOf(store, "b")), steps(await eventsOf(store)).slice(4));
  assert.deepEqual((await orThrow(verifyRun(store, "b"))).problems, []);
  const { origin } = await orThrow(forkRun(env, "a", "c", tenSteps, { at: 4 }));
  const { state } = await orThrow(readRun(store, "c"));
  assert.deepEqual([origin.step, state.config?.optimizer.learningRate], [4, 0.1]);
});

backendTest("cpu", "a batch is skipped as its step used it, or not at all", async (device) => {
  const store = await trained(device, { until: 4 });
  const env = { store, device };
  await orThrow(resumeRun(env, "a", tenSteps, { config: { batch: { size: 4 } } }));
  const { origin } = await fork(device, store, { at: 2, skipBatches: [5] });
  assert.equal(origin.leftOut?.places.reduce((sum, { count }) => sum + count, 0), 4);
  const other = { at: 2, skipBatches: [5], config: { seed: 9 } };
  const refused = await forkRun(env, "a", "c", tenSteps, other)();
  assert.ok(E.isLeft(refused) && refused.left.type === "OrderDiffers");
});

backendTest("cpu", "a fork in mixed precision is as sound as its parent", async (device) => {
  const config = { precision: "mixed_float16", lossScale: { growthInterval: 2 } } as const;
  const store = await trained(device, { config });
  await fork(device, store, { at: 5 });
  await go(device, store);
  assert.deepEqual((await orThrow(verifyRun(store, "b"))).problems, []);
  assert.deepEqual((await orThrow(replayRun({ store, device }, "b", tenSteps))).problems, []);
});
