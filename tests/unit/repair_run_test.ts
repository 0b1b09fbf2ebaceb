import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import * as TE from "fp-ts/TaskEither.js";
import {
  attempt,
  collectGarbage,
  type Device,
  isStep,
  keepLast,
  type LogContents,
  type LogError,
  memoryStore,
  orThrow,
  pruneRun,
  type RepairMeans,
  repairRun,
  replayRun,
  type RunError,
  type RunEvent,
  type RunId,
  type Store,
  trainRun,
  verifyRun,
} from "foldlog";
import * as tf from "foldlog/tf";
import { backendTest } from "../support/backends.ts";
import { hazardTask } from "../support/hazard_runs.ts";
import { eventsOf, keptBy, lossy, tenSteps, trained } from "../support/ten_steps.ts";

backendTest("cpu", "verifyRun() names each snapshot that is missing", async (device) => {
  const store = lossy(await trained(device));
  const ids = await keptBy(store);
  for (const step of [4, 8]) store.lose(ids.get(step)!);
  const { ok, problems } = await orThrow(verifyRun(store, "a"));
  assert.equal(ok, false);
  assert.deepEqual(problems.map(({ type, step }) => [type, step]), [
    ["SnapshotUnreadable", 4],
    ["SnapshotUnreadable", 8],
  ]);
  for (const { message } of problems) assert.match(message, /^Snapshot [0-9a-f]{12} is missing: /);
});

backendTest("cpu", "verifyRun() reads every byte, not the manifest alone", async (device) => {
  const store = lossy(await trained(device), "damaged");
  store.lose((await keptBy(store)).get(6)!);
  const { problems } = await orThrow(verifyRun(store, "a"));
  assert.deepEqual(problems.map(({ type, step }) => [type, step]), [["SnapshotUnreadable", 6]]);
  assert.match(problems[0]!.message, /is damaged \(here\): its digest is another/);
  const { ok } = await orThrow(repairRun(store, "a", meansOf(device)));
  assert.equal(ok, true);
});

backendTest(
  "cpu",
  "verifyRun() finds a snapshot that does not belong to the log's history",
  async (device) => {
    const store = await trained(device);
    const forged = withEvents(
      store,
      (event) =>
        event.type === "StepTaken" && event.data.step === 5
          ? { ...event, data: { ...event.data, loss: event.data.loss + 1 } }
          : event,
    );
    const { problems } = await orThrow(verifyRun(forged, "a"));
    assert.deepEqual(problems.map(({ type, step }) => [type, step]), [
      ["SnapshotDiffers", 6],
      ["SnapshotDiffers", 8],
      ["SnapshotDiffers", 10],
    ]);
    const belongs = /step 6, does not belong to this history: expected \w{12}, found \w{12}$/;
    assert.match(problems[0]!.message, belongs);
  },
);

backendTest(
  "cpu",
  "verifyRun() finds a snapshot of another step or state than the log says",
  async (device) => {
    const store = await trained(device);
    const ids = await keptBy(store);
    const swapped = withEvents(
      store,
      (event) =>
        event.type === "SnapshotTaken" && event.data.step === 4
          ? { ...event, data: { ...event.data, snapshot: ids.get(6)! } }
          : event,
    );
    const [problem] = (await orThrow(verifyRun(swapped, "a"))).problems;
    assert.deepEqual([problem!.type, problem!.step], ["SnapshotDiffers", 4]);
    assert.match(problem!.message, /the log names for step 4, is of step 6$/);
    const other = withEvents(
      store,
      (event) =>
        event.type === "SnapshotTaken" && event.data.step === 4
          ? { ...event, data: { ...event.data, state: "0".repeat(64) } }
          : event,
    );
    const [found] = (await orThrow(verifyRun(other, "a"))).problems;
    assert.deepEqual([found!.type, found!.step], ["SnapshotDiffers", 4]);
    assert.match(found!.message, /is of the state [0-9a-f]{12}, not 000000000000$/);
  },
);

backendTest(
  "cpu",
  "a history is the same however often the run was interrupted or pruned",
  async (device) => {
    const store = memoryStore();
    for (const until of [3, 4, 7]) {
      await orThrow(trainRun({ store, device }, "a", tenSteps, { until }));
      await orThrow(pruneRun(store, "a", keepLast(2)));
    }
    await orThrow(trainRun({ store, device }, "a", tenSteps));
    assert.deepEqual((await orThrow(verifyRun(store, "a"))).problems, []);
    const [whole, kept] = [await keptBy(await trained(device)), await keptBy(store)];
    for (const step of [8, 10]) assert.equal(kept.get(step), whole.get(step));
  },
);

backendTest(
  "cpu",
  "verifyRun() says what is derived and differs, and how to mend it",
  async (device) => {
    const store = await trained(device);
    const lines = ["state.json is another state"];
    const derived = withLog(store, { checkDerived: () => TE.right(lines) });
    const { ok, problems } = await orThrow(verifyRun(derived, "a"));
    assert.equal(ok, false);
    assert.deepEqual(problems, [{
      type: "DerivedDiffers",
      message: "state.json is another state. `foldlog verify a --repair` makes it anew.",
    }]);
    const replayed = await orThrow(replayRun({ store: derived, device }, "a", tenSteps));
    assert.deepEqual([replayed.ok, replayed.replay?.steps], [false, 10]);
  },
);

backendTest(
  "cpu",
  "repairRun() of a sound run changes nothing, and asks for no device",
  async (device) => {
    const store = await trained(device);
    const before = await eventsOf(store);
    const { ok, repaired, problems } = await orThrow(repairRun(store, "a", noMeans));
    assert.deepEqual({ ok, repaired, problems }, {
      ok: true,
      repaired: { derived: [], snapshots: [] },
      problems: [],
    });
    assert.deepEqual(await eventsOf(store), before);
  },
);

backendTest(
  "cpu",
  "repairRun() makes each lost snapshot again, bit for bit, and no other event",
  async (device) => {
    const all = [2, 4, 6, 8, 10];
    for (const lost of [[2], [6], [10], [4, 6], [2, 8], all]) {
      const store = lossy(await trained(device));
      const [ids, before] = [await keptBy(store), await eventsOf(store)];
      for (const step of lost) store.lose(ids.get(step)!);
      const report = await orThrow(repairRun(store, "a", meansOf(device)));
      assert.deepEqual([report.ok, report.problems], [true, []], `${lost}`);
      assert.deepEqual(
        report.repaired.snapshots,
        lost.map((step) => ({ step, id: ids.get(step)! })),
      );
      assert.deepEqual(await eventsOf(store), before, `${lost}`);
      assert.deepEqual([...new Set(store.stored)].sort(), [...ids.values()].sort(), `${lost}`);
      assert.equal((await orThrow(verifyRun(store, "a"))).ok, true);
    }
  },
);

backendTest(
  "cpu",
  "repairRun() begins at the nearest snapshot before the lost one",
  async (device) => {
    const store = lossy(await trained(device));
    store.lose((await keptBy(store)).get(8)!);
    const { data } = tenSteps;
    let batches = 0;
    const at: typeof data.at = (samples) => {
      batches++;
      return data.at(samples);
    };
    const task = { ...tenSteps, data: { ...data, at } };
    assert.equal((await orThrow(repairRun(store, "a", meansOf(device, task)))).ok, true);
    assert.equal(batches, 2, "steps 7 and 8");
  },
);

backendTest(
  "cpu",
  "repairRun() makes the snapshot of a pause again, of step 0 too",
  async (device) => {
    for (const until of [0, 5]) {
      const store = lossy(await trained(device, { until }));
      const id = (await keptBy(store)).get(until)!;
      store.lose(id);
      const { ok, repaired } = await orThrow(repairRun(store, "a", meansOf(device)));
      assert.deepEqual([ok, repaired.snapshots], [true, [{ step: until, id }]]);
    }
  },
);

backendTest("cpu", "repairRun() leaves alone what was pruned", async (device) => {
  const store = lossy(await trained(device));
  const ids = await keptBy(store);
  await orThrow(pruneRun(store, "a", keepLast(1)));
  const kept = await keptBy(store);
  store.lose(kept.get(10)!);
  const { ok, repaired } = await orThrow(repairRun(store, "a", meansOf(device)));
  assert.deepEqual([ok, repaired.snapshots], [true, [{ step: 10, id: ids.get(10)! }]]);
  assert.deepEqual(await orThrow(store.snapshots.list()), [...kept.values()].sort());
});

backendTest(
  "cpu",
  "repairRun() stops where a step is not what the log recorded, and says so",
  async (device) => {
    const store = lossy(await trained(device));
    const [ids, before] = [await keptBy(store), await eventsOf(store)];
    for (const step of [4, 8]) store.lose(ids.get(step)!);
    let steps = 0;
    const changed = {
      ...tenSteps,
      loss: (...args: Parameters<typeof tenSteps.loss>) =>
        tf.mul<tf.Scalar>(tenSteps.loss(...args), ++steps > 3 ? 1.5 : 1), // steps 3 and 4 are as before
    };
    const report = await orThrow(repairRun(store, "a", meansOf(device, changed)));
    assert.equal(report.ok, false);
    assert.deepEqual(report.problems.map(({ type, step }) => [type, step]), [
      ["SnapshotUnreadable", 8],
      ["Diverged", 8],
    ]);
    assert.deepEqual(report.repaired.snapshots, [{ step: 4, id: ids.get(4)! }]);
    assert.match(report.problems[1]!.message, /Step 8 is not what the log recorded/);
    assert.deepEqual(await eventsOf(store), before);
    assert.equal(store.stored.includes(ids.get(8)!), false, "a wrong snapshot was stored");
  },
);

backendTest("cpu", "repairRun() recomputes only where the steps were computed", async (device) => {
  const elsewhere: Device = {
    ...device,
    environment: { ...device.environment, adapter: "another" },
  };
  const store = lossy(await trained(device, { until: 5 }));
  const options = { acceptEnvironment: true };
  await orThrow(trainRun({ store, device: elsewhere }, "a", tenSteps, options));
  const ids = await keptBy(store);
  for (const [step, there, here] of [[4, device, elsewhere], [8, elsewhere, device]] as const) {
    store.lose(ids.get(step)!);
    const error = await refused(repairRun(store, "a", meansOf(here)));
    const { backend } = device.environment;
    const from = step === 4 ? 3 : 7;
    assert.deepEqual(error, { type: "ComputedElsewhere", run: "a", from, to: step, backend });
    const { ok } = await orThrow(repairRun(store, "a", meansOf(there)));
    assert.equal(ok, true, `${step}`);
  }
  store.lose(ids.get(6)!); // from the snapshot at which the run moved
  assert.equal((await orThrow(repairRun(store, "a", meansOf(elsewhere)))).ok, true);
});

backendTest(
  "cpu",
  "repairRun() recomputes skipped steps, too, only where they were computed",
  async (device) => {
    const lossScale = { initial: 2 ** 24, growthInterval: 100 };
    const task = hazardTask({ precision: "mixed_float16", lossScale, save: { every: 2 } });
    const elsewhere: Device = {
      ...device,
      environment: { ...device.environment, adapter: "another" },
    };
    const store = lossy(memoryStore());
    await orThrow(trainRun({ store, device }, "a", task, { until: 2 }));
    const options = { acceptEnvironment: true, until: 4 };
    await orThrow(trainRun({ store, device: elsewhere }, "a", task, options));
    const types = (await eventsOf(store)).filter(isStep).map(({ type }) => type);
    assert.deepEqual(new Set(types), new Set(["StepSkipped"]));
    store.lose((await keptBy(store)).get(4)!);
    const meansOn = (device: Device) => () => Promise.resolve({ device, task });
    const { backend } = device.environment;
    assert.deepEqual(
      await refused(repairRun(store, "a", meansOn(device))),
      { type: "ComputedElsewhere", run: "a", from: 3, to: 4, backend },
    );
    assert.equal((await orThrow(repairRun(store, "a", meansOn(elsewhere)))).ok, true);
  },
);

backendTest("cpu", "repairRun() of a damaged log only says so", async (device) => {
  const store = lossy(await trained(device));
  store.lose((await keptBy(store)).get(4)!);
  const damage: LogError = {
    type: "LogDamaged",
    run: "a",
    position: 7,
    place: "a/log line 8",
    reason: "not JSON",
  };
  const damaged = withLog(store, { read: () => TE.left(damage) });
  const { ok, problems, repaired } = await orThrow(repairRun(damaged, "a", noMeans));
  assert.deepEqual([ok, repaired], [false, { derived: [], snapshots: [] }]);
  assert.deepEqual(problems.map(({ type, position }) => [type, position]), [["LogDamaged", 7]]);
  const flawed = withEvents(
    store,
    (event) =>
      event.type === "StepTaken" && event.data.step === 5
        ? { ...event, data: { ...event.data, step: 6 } }
        : event,
  );
  const report = await orThrow(repairRun(flawed, "a", noMeans));
  assert.ok(report.problems.some(({ type }) => type === "HistoryFlawed"));
  assert.deepEqual(store.stored, []);
});

backendTest("cpu", "repairRun() makes nothing of a snapshot that never was", async (device) => {
  const store = await trained(device);
  const ids = await keptBy(store);
  const swapped = withEvents(
    store,
    (event) =>
      event.type === "SnapshotTaken" && event.data.step === 4
        ? { ...event, data: { ...event.data, snapshot: ids.get(6)! } }
        : event,
  );
  const { ok, problems } = await orThrow(repairRun(swapped, "a", noMeans));
  assert.deepEqual([ok, problems.map(({ type }) => type)], [false, ["SnapshotDiffers"]]);
});

backendTest("cpu", "repairRun() hides what a prune that died left in the view", async (device) => {
  const store = await trained(device);
  const died = { ...store.snapshots, hide: () => assert.fail("died") };
  await assert.rejects(pruneRun({ ...store, snapshots: died }, "a", keepLast(1))());
  const hidden: number[] = [];
  const hide: typeof store.snapshots.hide = (run, step) => {
    hidden.push(step);
    return store.snapshots.hide(run, step);
  };
  await orThrow(repairRun({ ...store, snapshots: { ...store.snapshots, hide } }, "a", noMeans));
  const kept = await keptBy(store);
  assert.deepEqual(hidden, [2, 4, 6, 8, 10].filter((step) => !kept.has(step)));
  assert.notEqual(hidden.length, 0);
});

backendTest(
  "cpu",
  "repairRun() recomputes on the device it is given, for its task",
  async (device) => {
    const store = lossy(await trained(device));
    store.lose((await keptBy(store)).get(6)!);
    const other = { ...tenSteps, name: "eleven steps" };
    const error = await refused(repairRun(store, "a", meansOf(device, other)));
    assert.equal(error.type, "TaskDiffers");
    assert.deepEqual(store.stored.length, 4, "the view of the others");
    let activated = 0;
    const activate = () => {
      activated++;
      return device.activate();
    };
    await orThrow(repairRun(store, "a", meansOf({ ...device, activate })));
    assert.equal(activated, 1);
    await orThrow(collectGarbage(store)); // waits until nothing is being stored
  },
);

backendTest("cpu", "repairRun() says what is derived and was made anew", async (device) => {
  const store = await trained(device);
  let lines = ["state.json was damaged, and made anew"];
  const derived = withLog(store, {
    checkDerived: () => TE.fromIO(() => lines),
    rebuildDerived: () =>
      TE.fromIO(() => {
        const made = lines;
        lines = [];
        return made;
      }),
  });
  const { ok, repaired } = await orThrow(repairRun(derived, "a", noMeans));
  assert.deepEqual([ok, repaired.derived], [true, ["state.json was damaged, and made anew"]]);
});

backendTest("cpu", "repairRun() needs the run's lease, and gives it back", async (device) => {
  const store = lossy(await trained(device));
  store.lose((await keptBy(store)).get(4)!);
  const writer = await orThrow(store.log.open("a"));
  assert.equal((await refused(repairRun(store, "a", noMeans))).type, "RunLocked");
  assert.deepEqual(store.stored, []);
  await orThrow(writer.close());
  const failing = () => Promise.reject(new Error("no recipe"));
  await assert.rejects(repairRun(store, "a", failing)(), /no recipe/);
  assert.equal((await orThrow(repairRun(store, "a", meansOf(device)))).ok, true);
  assert.equal((await refused(repairRun(store, "b", noMeans))).type, "RunMissing");
});

function noMeans(): Promise<RepairMeans> {
  return assert.fail("asked for a device, though nothing has to be recomputed");
}

function meansOf(device: Device, task = tenSteps): () => Promise<RepairMeans> {
  return () => Promise.resolve({ device, task });
}

function withLog(store: Store, log: Partial<Store["log"]>): Store {
  return { ...store, log: { ...store.log, ...log } };
}

/** The store with other events in its logs, as a forger would leave them: their chain is not checked here. */
function withEvents(store: Store, change: (event: RunEvent) => RunEvent): Store {
  const read = (run: RunId) =>
    attempt<LogError, LogContents>(async (get) => {
      const contents = await get(store.log.read(run));
      const events = contents.events.map((one) => ({ ...one, event: change(one.event) }));
      return { ...contents, events };
    });
  return withLog(store, { read });
}

async function refused<A>(work: TE.TaskEither<RunError, A>): Promise<RunError> {
  const result = await work();
  return E.isLeft(result) ? result.left : assert.fail(JSON.stringify(result.right));
}
