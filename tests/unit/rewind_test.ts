import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  type Device,
  forkRun,
  historyFlaw,
  isStep,
  livePath,
  lossCurve,
  materialize,
  memoryStore,
  type Notice,
  orThrow,
  project,
  readRun,
  type RecordedEvent,
  repairRun,
  replayRun,
  type RunEvent,
  type Store,
  type TrainOptions,
  trainRun,
  verifyRun,
} from "foldlog";
import { backendTest } from "../support/backends.ts";
import { branchOfRun } from "../../src/app/reading/branch_of_run.ts";
import { eventsOf, lossy, tenSteps, trained } from "../support/ten_steps.ts";

for (const at of [0, 1, 4, 5, 9]) {
  backendTest("cpu", `a run goes back to step ${at} and trains what it trained`, async (device) => {
    const store = await trained(device);
    const before = await eventsOf(store);
    await resume(device, store, { at });
    assert.deepEqual(facts(await liveOf(store)), facts(before));
    const all = await eventsOf(store);
    assert.deepEqual(all.slice(0, before.length), before);
    assert.equal(all.filter(isStep).length, 10 + 10 - at);
    assert.equal(historyFlaw(all), undefined);
    assert.deepEqual((await orThrow(verifyRun(store, "a"))).problems, []);
    const { state } = await orThrow(readRun(store, "a"));
    assert.equal(state.status, "completed");
    assert.deepEqual(state.snapshots.map(({ step }) => step), [2, 4, 6, 8, 10]);
    assert.equal(state.abandoned, undefined);
  });
}

backendTest(
  "cpu",
  "a run that goes back with other settings has another branch from there",
  async (device) => {
    const store = await trained(device);
    const before = await eventsOf(store);
    const config = { optimizer: { learningRate: 0.2 } };
    await resume(device, store, { at: 5, config });
    const { state, events } = await orThrow(readRun(store, "a"));
    assert.equal(state.config?.optimizer.learningRate, 0.2);
    assert.deepEqual(state.snapshots.map(({ step }) => step), [2, 4, 6, 8, 10]);
    assert.deepEqual(state.abandoned?.map(({ step }) => step), [6, 8, 10]);
    const rates = project(lossCurve, plain(events)).map(({ learningRate }) => learningRate);
    assert.deepEqual(rates, [...Array(5).fill(0.1), ...Array(5).fill(0.2)]);
    const live = await liveOf(store);
    const until5 = before.filter((event) => !("step" in event.data) || event.data.step <= 5);
    assert.deepEqual(live.slice(0, until5.length), until5);
    assert.deepEqual((await orThrow(verifyRun(store, "a"))).problems, []);
  },
);

backendTest(
  "cpu",
  "a run goes back again and again, also over where it went back",
  async (device) => {
    const store = await trained(device);
    const config = { optimizer: { learningRate: 0.2 } };
    await resume(device, store, { at: 7, config });
    await resume(device, store, { at: 8, until: 9 });
    await resume(device, store, { at: 3 }); // before the change
    const expected = await eventsOf(await trained(device));
    assert.deepEqual(facts(await liveOf(store)), facts(expected));
    assert.deepEqual((await orThrow(verifyRun(store, "a"))).problems, []);
  },
);

backendTest("cpu", "other settings from the head on are an event, and fold", async (device) => {
  const store = await trained(device, { until: 6 });
  const notices: Notice[] = [];
  const config = { optimizer: { learningRate: 0.05 }, clip: { norm: 0.5 } };
  await resume(device, store, { config }, notices);
  const changed = (await eventsOf(store)).find(({ type }) => type === "ConfigChanged");
  assert.deepEqual(changed?.data, {
    step: 6,
    changes: { "clip.norm": 0.5, "optimizer.learningRate": 0.05 },
    class: "training",
  });
  assert.ok(notices.some(({ type }) => type === "Changed"));
  const { state } = await orThrow(readRun(store, "a"));
  assert.deepEqual([state.config?.clip.norm, state.step], [0.5, 10]);
  assert.deepEqual((await orThrow(verifyRun(store, "a"))).problems, []);
});

backendTest("cpu", "a run that is complete goes on where its plan is longer", async (device) => {
  const store = await trained(device);
  await orThrow(trainRun({ store, device }, "a", tenSteps, { config: { steps: { max: 14 } } }));
  const { state, events } = await orThrow(readRun(store, "a"));
  assert.deepEqual([state.status, state.step], ["completed", 14]);
  const change = plain(events).find(({ type }) => type === "ConfigChanged");
  assert.deepEqual(change?.data, { step: 10, changes: { "steps.max": 14 }, class: "free" });
  const straight = memoryStore();
  const config = { steps: { max: 14 } };
  await orThrow(trainRun({ store: straight, device }, "a", tenSteps, { config }));
  const [a, b] = [await eventsOf(store), await eventsOf(straight)];
  assert.deepEqual(a.filter(isStep), b.filter(isStep));
});

backendTest("cpu", "what a run has not is said, and nothing is changed", async (device) => {
  const store = await trained(device, { until: 6 });
  const before = await eventsOf(store);
  const cases: readonly (readonly [string | number, RegExp])[] = [
    [7, /ends at step 6/],
    ["final", /at step 6 of 10/],
    ["step-000099", /ends at step 6/],
    ["yesterday", /expected a step such as/],
    ["checkpoint-epoch7-step4-files0", /its step 4 is in epoch/],
    [-1, /expected a step such as/],
  ];
  for (const [at, reason] of cases) {
    const result = await trainRun({ store, device }, "a", tenSteps, { at })();
    assert.ok(E.isLeft(result) && result.left.type === "NoPlace", String(at));
    assert.match(result.left.reason, reason);
  }
  assert.deepEqual(await eventsOf(store), before);
});

async function resume(
  device: Device,
  store: Store,
  options: TrainOptions,
  notices: Notice[] = [],
): Promise<void> {
  const reporter = { report: (notice: Notice) => void notices.push(notice) };
  const env = { store, device, reporter };
  await orThrow(trainRun(env, "a", tenSteps, { recordChanges: true, ...options }));
}

async function liveOf(store: Store): Promise<readonly RunEvent[]> {
  return plain(livePath((await orThrow(readRun(store, "a"))).events));
}

function plain(events: readonly RecordedEvent[]): readonly RunEvent[] {
  return events.map(({ event }) => event);
}

/** What was trained, without the marks of how the work was interrupted. */
function facts(events: readonly RunEvent[]): readonly RunEvent[] {
  const marks = ["RunPaused", "RunResumed"];
  return events.filter(({ type, data }) =>
    !marks.includes(type) && !(type === "SnapshotTaken" && data.reason === "paused")
  );
}

backendTest("cpu", "a branch that was left can be recomputed, and forked", async (device) => {
  const store = await trained(device);
  const before = await eventsOf(store);
  await resume(device, store, { at: 5, config: { optimizer: { learningRate: 0.2 } } });
  await resume(device, store, { at: 7 });
  for (const branch of [undefined, 1, 2]) {
    const options = branch === undefined ? {} : { branch };
    const report = await orThrow(replayRun({ store, device }, "a", tenSteps, options));
    // All of the live branch, and of the others what they do not share.
    const steps = branch === undefined ? 10 + 6 + 4 : 10;
    assert.deepEqual([report.problems, report.replay?.steps], [[], steps]);
  }
  await orThrow(forkRun({ store, device }, "a", "b", tenSteps, { at: 7, branch: 1 }));
  await orThrow(trainRun({ store, device }, "b", tenSteps));
  const steps = (await eventsOf(store, "b")).filter(isStep);
  assert.deepEqual(steps, before.filter(isStep).slice(7));
  const none = await replayRun({ store, device }, "a", tenSteps, { branch: 3 })();
  assert.ok(E.isLeft(none) && none.left.type === "NoBranch");
});

backendTest("cpu", "a branch keeps a snapshot that was taken again on another", async (device) => {
  const store = await trained(device);
  await resume(device, store, { at: 5, until: 7 });
  await resume(device, store, { at: 3, config: { optimizer: { learningRate: 0.2 } } });
  const recorded = await orThrow(readRun(store, "a"));
  const { state } = branchOfRun(recorded, 1); // whose step 6 the second branch took as well
  assert.deepEqual(state.snapshots.map(({ step }) => step), [2, 4, 6, 8, 10]);
  const fork = await orThrow(forkRun({ store, device }, "a", "b", tenSteps, { at: 7, branch: 1 }));
  assert.deepEqual(fork.recomputation.snapshot, 6);
});

backendTest("cpu", "a lost snapshot of a branch that was left is made anew", async (device) => {
  const store = lossy(await trained(device), "damaged");
  await resume(device, store, { at: 5, config: { optimizer: { learningRate: 0.2 } } });
  const { abandoned = [] } = (await orThrow(readRun(store, "a"))).state;
  const lost = abandoned.find(({ step }) => step === 8)!.snapshot;
  store.lose(lost);
  assert.equal((await orThrow(verifyRun(store, "a"))).ok, false);
  const means = () => Promise.resolve({ device, task: tenSteps });
  const { ok, problems } = await orThrow(repairRun(store, "a", means));
  assert.deepEqual([ok, problems], [true, []]);
  assert.ok(store.stored.includes(lost));
});

backendTest("cpu", "a history that lies of its marks is named", async (device) => {
  const store = await trained(device);
  await resume(device, store, { at: 5, config: { optimizer: { learningRate: 0.2 } } });
  await orThrow(materialize({ store, device }, "a", tenSteps, 4 + 3));
  const events = await eventsOf(store);
  const lies: readonly (readonly [RunEvent["type"], object, RegExp])[] = [
    ["SnapshotMaterialized", { loss: 0.5 }, /to have the losses of step 7/],
    ["SnapshotMaterialized", { evaluation: 0.5 }, /to have the losses of step 7/],
    ["SnapshotMaterialized", { index: 3 }, /its place in the live branch/],
    ["ConfigChanged", { class: "free" }, /of class free to change no more than that/],
    ["ConfigChanged", { changes: { "optimizer.learningRate": "x" } }, /a number, found x/],
    ["ConfigChanged", { changes: { precision: "mixed_float16" } }, /to change no more than that/],
    ["ConfigChanged", { changes: { "model.depth": 3 } }, /settings that the run has/],
    ["RunRewound", { position: 3 }, /expected RunRewound to step 2 at position 3, found 5/],
  ];
  assert.equal(historyFlaw(events), undefined);
  for (const [type, lie, reason] of lies) {
    const position = events.findIndex((event) => event.type === type);
    const { data } = events[position]!;
    const forged = events.with(position, { type, data: { ...data, ...lie } } as RunEvent);
    const flaw = historyFlaw(forged);
    assert.equal(flaw?.position, position, `${type} ${JSON.stringify(lie)}`);
    assert.match(flaw.reason, reason);
  }
});
