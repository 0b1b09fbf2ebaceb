import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  collectGarbage,
  keepLast,
  materialize,
  orThrow,
  pruneRun,
  readRun,
  trainRun,
  verifyRun,
} from "foldlog";
import { backendTest } from "../support/backends.ts";
import { eventsOf, keptBy, lossy, tenSteps, trained } from "../support/ten_steps.ts";

backendTest("cpu", "a snapshot that was pruned is made again, the very one", async (device) => {
  const store = await trained(device);
  const before = await keptBy(store);
  await orThrow(pruneRun(store, "a", keepLast(1)));
  await orThrow(collectGarbage(store));
  const { id, recomputation } = await orThrow(materialize({ store, device }, "a", tenSteps, 4));
  assert.equal(id, before.get(4));
  assert.ok(recomputation !== undefined && recomputation.steps >= 2);
  assert.deepEqual((await orThrow(readRun(store, "a"))).state.snapshots.map(({ step }) => step), [
    ...[...(await keptBy(store)).keys()],
  ]);
  assert.ok((await keptBy(store)).has(4));
  assert.deepEqual((await orThrow(verifyRun(store, "a"))).problems, []);
  const again = await orThrow(materialize({ store, device }, "a", tenSteps, "step-000004"));
  assert.deepEqual([again.id, again.recomputation], [id, undefined]);
});

backendTest(
  "cpu",
  "a step that was never saved gets a snapshot, and is gone on from",
  async (device) => {
    const store = await trained(device);
    const { recomputation } = await orThrow(materialize({ store, device }, "a", tenSteps, 7));
    assert.deepEqual(recomputation, { snapshot: 6, steps: 1, compared: 1, fingerprints: 0 });
    const { state } = await orThrow(readRun(store, "a"));
    assert.deepEqual(state.snapshots.map(({ step }) => step), [2, 4, 6, 7, 8, 10]);
    const made = state.snapshots.find(({ step }) => step === 7)!;
    const loss = (await eventsOf(store)).find(({ type, data }) =>
      type === "StepTaken" && data.step === 7
    );
    assert.deepEqual([made.reason, made.loss], [
      "materialized",
      loss?.type === "StepTaken" ? loss.data.loss : NaN,
    ]);
    await orThrow(trainRun({ store, device }, "a", tenSteps, { at: 7 }));
    const rewound = (await orThrow(readRun(store, "a"))).state;
    assert.deepEqual([rewound.status, rewound.step], ["completed", 10]);
    assert.deepEqual((await orThrow(verifyRun(store, "a"))).problems, []);
  },
);

backendTest(
  "cpu",
  "a snapshot that cannot be read is made anew, without an event",
  async (device) => {
    const store = lossy(await trained(device));
    const events = await eventsOf(store);
    const id = (await keptBy(store)).get(6)!;
    store.lose(id);
    const report = await orThrow(materialize({ store, device }, "a", tenSteps, 6));
    assert.equal(report.id, id);
    assert.deepEqual(new Set(store.stored), new Set([id])); // and again, to be shown
    assert.deepEqual(await eventsOf(store), events);
  },
);

backendTest("cpu", "no snapshot is made of what the run has not", async (device) => {
  const store = await trained(device, { until: 5 });
  const result = await materialize({ store, device }, "a", tenSteps, 6)();
  assert.ok(E.isLeft(result) && result.left.type === "NoPlace");
  const missing = await materialize({ store, device }, "b", tenSteps, 6)();
  assert.ok(E.isLeft(missing) && missing.left.type === "RunMissing");
  assert.deepEqual(await orThrow(store.log.runs()), ["a"]);
});
