import assert from "node:assert/strict";
import {
  describeError,
  type Device,
  diffRuns,
  type HostTensor,
  memoryStore,
  orThrow,
  type PartialConfig,
  readRun,
  type RunDifference,
  type RunError,
  type RunEvent,
  type RunState,
  type Snapshot,
  type Store,
  trainRun,
} from "foldlog";
import { backendTest } from "../support/backends.ts";
import { eventsOf, keptBy, lossy, tenSteps } from "../support/ten_steps.ts";

backendTest("cpu", "a training and its repetition differ in nothing", async (device) => {
  const store = await both(device, {}, {});
  const found = await diff(store, { run: "a" }, { run: "b" });
  assert.deepEqual(found, {
    same: true,
    a: { run: "a", from: 0, to: 10 },
    b: { run: "b", from: 0, to: 10 },
    config: [],
    environment: { members: [], kernels: [] },
    identity: [],
    state: { steps: { a: 10, b: 10 }, leaves: 6, differing: [], onlyA: [], onlyB: [] },
  });
});

backendTest("cpu", "a pause and its snapshot are no difference", async (device) => {
  const store = await both(device, {}, {}, 5);
  await orThrow(trainRun({ store, device }, "b", tenSteps));
  assert.ok((await diff(store, { run: "a" }, { run: "b" })).same);
});

backendTest(
  "cpu",
  "another learning rate shows at the first step, and in the state",
  async (device) => {
    const store = await both(device, {}, { optimizer: { learningRate: 0.2 } });
    const found = await diff(store, { run: "a" }, { run: "b" });
    assert.equal(found.same, false);
    const rates = { a: 0.1, b: 0.2 };
    assert.deepEqual(found.config, [{ name: "optimizer.learningRate", ...rates }]);
    assert.deepEqual(found.event, {
      step: 1,
      a: "StepTaken",
      b: "StepTaken",
      members: [{ name: "learningRate", ...rates }],
    });
    // The first of both after the difference, which shows where it began.
    assert.deepEqual(found.state?.steps, { a: 2, b: 2 });
    const paths = found.state?.differing.map(({ path }) => path) ?? [];
    assert.ok(paths.includes("model/offset") && paths.includes("model/slope"), paths.join());
    for (const leaf of found.state!.differing) {
      assert.ok(leaf.differs === "elements" && leaf.differing === 1 && leaf.elements === 1);
      assert.ok(leaf.maxUlps! > 0 && Number(leaf.maxAbsolute) > 0);
    }
  },
);

backendTest("cpu", "another seed shows in the batches", async (device) => {
  const store = await both(device, {}, { seed: 7 });
  const { same, config, event } = await diff(store, { run: "a" }, { run: "b" });
  assert.equal(same, false);
  assert.deepEqual(config.map(({ name }) => name), ["seed"]);
  assert.equal(event?.step, 1);
  assert.ok(event?.members.some(({ name }) => name === "batch"));
});

backendTest(
  "cpu",
  "one flipped bit in a stored state is found, and where it is",
  async (device) => {
    const store = await both(device, {}, {});
    await forge(store, "b", "c", 4, (snapshot) => {
      const { data } = tensorAt(snapshot, "model", "slope");
      new Int32Array(data.buffer, data.byteOffset)[0]! ^= 1;
    });
    const found = await diff(store, { run: "a" }, { run: "c" });
    assert.deepEqual([found.same, found.config, found.identity], [false, [], []]);
    assert.deepEqual(found.event && [found.event.step, found.event.a], [4, "SnapshotTaken"]);
    assert.deepEqual(found.event?.members.map(({ name }) => name), ["state"]);
    assert.deepEqual(found.state?.steps, { a: 4, b: 4 });
    const [leaf, ...others] = found.state!.differing;
    assert.deepEqual(others, []);
    assert.ok(leaf?.differs === "elements" && leaf.path === "model/slope");
    assert.deepEqual([leaf.differing, leaf.maxUlps, leaf.first.at], [1, 1, [0]]);
    assert.notEqual(leaf.first.a.bits, leaf.first.b.bits);
    const before = { restore: (run: string) => stateAt(store, run, 2) };
    assert.ok((await diff(store, { run: "a" }, { run: "c", step: 3 }, before)).same);
    const forged = { restore: (run: string) => stateAt(store, run, 4) };
    const state = await diff(store, { run: "a" }, { run: "c", step: 3 }, forged);
    assert.deepEqual([state.same, state.event], [false, undefined]);
  },
);

backendTest("cpu", "NaN in a state is JSON, told by its bits", async (device) => {
  const store = await both(device, {}, {});
  await forge(store, "b", "c", 4, (snapshot) => {
    tensorAt(snapshot, "model", "slope").data[0] = NaN;
  });
  const found = await diff(store, { run: "a" }, { run: "c" });
  const [leaf] = found.state!.differing;
  assert.ok(leaf?.differs === "elements");
  assert.deepEqual(leaf.first.b, { value: "NaN", bits: "7fc00000" });
  assert.deepEqual([leaf.notNumbers, "maxUlps" in leaf], [1, false]);
});

backendTest("cpu", "leaves that only one run has are named", async (device) => {
  const store = await both(device, {}, { ema: { decay: 0.5 } });
  const { state } = await diff(store, { run: "a" }, { run: "b" });
  assert.deepEqual(state?.onlyA, []);
  assert.deepEqual(state?.onlyB, ["ema/offset", "ema/slope"]);
});

backendTest("cpu", "two steps of one run are compared by their states", async (device) => {
  const store = await both(device, {}, {});
  const found = await diff(store, { run: "a", step: 4 }, { run: "a", step: 6 });
  assert.deepEqual([found.event, found.config], [undefined, []]);
  assert.deepEqual([found.a.to, found.b.to, found.same], [4, 6, false]);
  assert.deepEqual(found.state?.steps, { a: 4, b: 6 });
  assert.ok(found.state!.differing.length > 0);
});

backendTest(
  "cpu",
  "what is later than the step that is asked for does not count",
  async (device) => {
    const store = await both(device, {}, {}, 6);
    const whole = await diff(store, { run: "a" }, { run: "b" });
    assert.deepEqual([whole.same, whole.event, whole.b.to], [false, undefined, 6]);
    const found = await diff(store, { run: "a", step: 6 }, { run: "b" });
    assert.deepEqual([found.same, found.a.to, found.b.to], [true, 6, 6]);
  },
);

backendTest(
  "cpu",
  "settings that change no bit are listed, and no event for them",
  async (device) => {
    const config = { save: { every: 3 }, evaluate: { every: 5 }, fingerprint: { every: 2 } };
    const store = await both(device, {}, config);
    const { same, event, state, ...found } = await diff(store, { run: "a" }, { run: "b" });
    assert.deepEqual([same, event], [false, undefined]);
    const names = found.config.map(({ name }) => name);
    assert.deepEqual(names, ["evaluate.every", "fingerprint.every", "save.every"]);
    assert.deepEqual([state?.steps, state?.differing], [{ a: 10, b: 10 }, []]);
  },
);

backendTest("cpu", "a setting that changed on the way differs from there on", async (device) => {
  const store = await both(device, {}, {});
  const events = await eventsOf(store, "a");
  const change: RunEvent = {
    type: "ConfigChanged",
    data: { step: 4, changes: { "optimizer.learningRate": 0.3 }, class: "training" },
  };
  const at = events.findIndex((event) => event.type === "StepTaken" && event.data.step === 5);
  await append(store, "c", events.toSpliced(at, 0, change));
  const found = await diff(store, { run: "a" }, { run: "c" });
  assert.deepEqual(found.event, { step: 4, b: "ConfigChanged", members: [] });
  assert.deepEqual(found.config, [{ name: "optimizer.learningRate", a: 0.1, b: 0.3 }]);
  assert.deepEqual((await diff(store, { run: "c" }, { run: "a" })).event?.a, "ConfigChanged");
  assert.ok((await diff(store, { run: "a", step: 4 }, { run: "c", step: 4 })).same);
});

backendTest("cpu", "abandoned branches do not count", async (device) => {
  const store = await both(device, {}, {});
  const events = await eventsOf(store, "a");
  const { state } = await orThrow(readRun(store, "a"));
  const at = events.findIndex((event) => event.type === "StepTaken" && event.data.step === 5);
  const lost = events.slice(at, at + 1).map((event) =>
    event.type === "StepTaken" ? { ...event, data: { ...event.data, loss: 99 } } : event
  );
  const back: RunEvent = {
    type: "RunRewound",
    data: { step: 4, position: at, history: state.snapshots[0]!.state, facts: factsAt(state) },
  };
  await append(store, "c", [...events.slice(0, at), ...lost, back, ...events.slice(at)]);
  const found = await diff(store, { run: "a" }, { run: "c" });
  assert.deepEqual([found.same, found.event], [true, undefined]);
});

backendTest("cpu", "data, code, task and environment that differ are named", async (device) => {
  const store = await both(device, {}, {});
  const [started, ...rest] = await eventsOf(store, "b");
  assert.ok(started?.type === "RunStarted");
  const { data, environment } = started.data;
  const [code, digest] = ["1".repeat(64), "2".repeat(64)];
  const kernels = { ...environment.kernels, added: "0123456789abcdef" };
  const elsewhere = { ...environment, platform: "elsewhere", kernels };
  const changed = { ...started.data, task: "other", code, data: { ...data, digest } };
  const other: RunEvent = { ...started, data: { ...changed, environment: elsewhere } };
  await append(store, "c", [other, ...rest]);
  const found = await diff(store, { run: "a" }, { run: "c" });
  assert.equal(found.same, false);
  assert.deepEqual(found.identity, [
    { name: "code", b: code },
    { name: "data", a: data, b: { ...data, digest } },
    { name: "task", a: "ten steps", b: "other" },
  ]);
  assert.deepEqual(found.environment, {
    members: [{ name: "platform", a: environment.platform, b: "elsewhere" }],
    kernels: [{ name: "added", b: "0123456789abcdef" }],
  });
});

backendTest(
  "cpu",
  "a step that no snapshot is kept of is refused, and says what helps",
  async (device) => {
    const store = await both(device, {}, { optimizer: { learningRate: 0.2 } });
    const error = await failure(store, { run: "a", step: 3 }, { run: "b" });
    assert.deepEqual(error, { type: "NoSuchSnapshot", run: "a", step: 3, steps: [2] });
    assert.match(
      describeError(error),
      /"a" keeps no snapshot of step 3 .*materialize a@3.*steps 2\./,
    );
    const beyond = await failure(store, { run: "a" }, { run: "b", step: 11 });
    assert.deepEqual(beyond, { type: "NoSuchStep", run: "a", step: 11, from: 0, to: 10 });
    assert.match(describeError(beyond), /no step 11: expected one from 0 to 10/);
  },
);

backendTest("cpu", "a state that is not kept can be given by recomputation", async (device) => {
  const store = await both(device, {}, { optimizer: { learningRate: 0.2 } });
  const asked: string[] = [];
  const found = await diff(store, { run: "a", step: 3 }, { run: "b", step: 2 }, {
    restore: (run, step) => {
      asked.push(`${run}@${step}`);
      return stateAt(store, run, 4);
    },
  });
  assert.deepEqual(asked, ["a@3"]);
  assert.deepEqual(found.state?.steps, { a: 4, b: 2 });
});

backendTest("cpu", "snapshots that are lost are passed over for others", async (device) => {
  const plain = await both(device, {}, { optimizer: { learningRate: 0.2 } });
  const ids = await keptBy(plain, "b");
  const store = lossy(plain);
  store.lose(ids.get(2)!);
  assert.deepEqual((await diff(store, { run: "a" }, { run: "b" })).state?.steps, { a: 4, b: 4 });
  ids.forEach((id) => store.lose(id));
  const nothing = await diff(store, { run: "a" }, { run: "b" });
  assert.deepEqual([nothing.same, nothing.state], [false, undefined]);
  const error = await failure(store, { run: "a", step: 4 }, { run: "b" });
  assert.equal(error.type === "NoSuchSnapshot" && error.run, "b");
});

/** A store with a run "a" and a run "b" of these settings, the latter up to a step. */
async function both(
  device: Device,
  a: PartialConfig,
  b: PartialConfig,
  until = 10,
): Promise<Store> {
  const store = memoryStore();
  await orThrow(trainRun({ store, device }, "a", tenSteps, { config: a }));
  await orThrow(trainRun({ store, device }, "b", tenSteps, { config: b, until }));
  return store;
}

/** What `diffRuns` finds; it must be plain JSON. */
async function diff(...args: Parameters<typeof diffRuns>): Promise<RunDifference> {
  const found = await orThrow(diffRuns(...args));
  assert.deepEqual(JSON.parse(JSON.stringify(found)), found);
  return found;
}

async function failure(...args: Parameters<typeof diffRuns>): Promise<RunError> {
  const result = await diffRuns(...args)();
  assert.ok(result._tag === "Left", "expected a failure");
  return result.left;
}

async function append(store: Store, run: string, events: readonly RunEvent[]): Promise<void> {
  const writer = await orThrow(store.log.open(run));
  await orThrow(writer.append(events, 0));
  await orThrow(writer.close());
}

/** Makes run `to` of run `from`, whose stored state of a step is changed. */
async function forge(
  store: Store,
  from: string,
  to: string,
  step: number,
  change: (snapshot: Snapshot) => void,
): Promise<void> {
  const id = (await keptBy(store, from)).get(step)!;
  const snapshot = await orThrow(store.snapshots.get(id));
  change(snapshot);
  const stored = await orThrow(store.snapshots.put(to, snapshot));
  const forged = (await eventsOf(store, from)).map((event): RunEvent => {
    if (event.type !== "SnapshotTaken" || event.data.step !== step) return event;
    const { id, manifest } = stored;
    return { ...event, data: { ...event.data, snapshot: id, state: manifest.state } };
  });
  await append(store, to, forged);
  stored.release();
}

async function stateAt(store: Store, run: string, step: number): Promise<Snapshot> {
  return await orThrow(store.snapshots.get((await keptBy(store, run)).get(step)!));
}

function tensorAt(snapshot: Snapshot, group: string, path: string): HostTensor {
  return snapshot.groups[group]!.get(path)!;
}

function factsAt({ config, environment, cursor }: RunState) {
  return { config: config!, environment: environment!, cursor };
}
