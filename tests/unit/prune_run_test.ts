import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import * as TE from "fp-ts/TaskEither.js";
import {
  attempt,
  collectGarbage,
  type Device,
  isTrainingFact,
  keepEvery,
  keepLast,
  keepSince,
  type LogError,
  memoryStore,
  type Notice,
  orThrow,
  type PruneReport,
  pruneRun,
  readRun,
  type RetentionPolicy,
  type RunError,
  type Store,
  trainRun,
  verifyRun,
} from "foldlog";
import { backendTest } from "../support/backends.ts";
import { eventsOf, keptBy, lossy, tenSteps, trained } from "../support/ten_steps.ts";

/** Ten steps: the newest snapshot is that of 10; which is the best, the tests ask the log. */
const newestOnly: RetentionPolicy = () => new Map();

backendTest(
  "cpu",
  "pruneRun() keeps what a policy wants, the newest and the best",
  async (device) => {
    const store = await trained(device);
    const before = await keptBy(store);
    const best = await bestStep(store);
    const { snapshots, collected } = await orThrow(pruneRun(store, "a", keepEvery(6)));
    const expected = [...new Set([best, 6, 10])].sort((a, b) => a - b);
    assert.deepEqual(keptSteps(snapshots), expected);
    assert.deepEqual(snapshots.map(({ snapshot }) => snapshot.step), [2, 4, 6, 8, 10]);
    const kept = await keptBy(store);
    assert.deepEqual([...kept.keys()], expected);
    assert.deepEqual(await orThrow(store.snapshots.list()), [...kept.values()].sort());
    for (const [step, id] of kept) assert.equal(id, before.get(step));
    assert.ok(collected.bytes > 0 && collected.objects > 0);
    assert.equal((await orThrow(verifyRun(store, "a"))).ok, true);
  },
);

backendTest(
  "cpu",
  "pruneRun() says why a snapshot stays, and of what size it is",
  async (device) => {
    const store = await trained(device);
    const { snapshots } = await orThrow(pruneRun(store, "a", keepLast(2)));
    const reasons = new Map(snapshots.map(({ snapshot, reasons }) => [snapshot.step, reasons]));
    assert.deepEqual(reasons.get(8)?.filter((reason) => reason !== "best"), ["last 2"]);
    assert.deepEqual(reasons.get(10)?.filter((reason) => reason !== "best"), ["newest", "last 2"]);
    assert.ok(reasons.get(await bestStep(store))?.includes("best"));
    assert.deepEqual(reasons.get(2), []);
    for (const { snapshot, bytes } of snapshots) {
      assert.equal(typeof bytes, "number", `the size of ${snapshot.step}`);
    }
  },
);

backendTest(
  "cpu",
  "pruneRun() records each snapshot that goes, once, at the end of the log",
  async (device) => {
    const store = await trained(device, { until: 7 });
    const before = await eventsOf(store);
    const ids = await keptBy(store);
    const { snapshots } = await orThrow(pruneRun(store, "a", newestOnly));
    const gone = snapshots.filter(({ reasons }) => reasons.length === 0).map(({ snapshot }) => ({
      type: "SnapshotPruned",
      data: { step: snapshot.step, snapshot: ids.get(snapshot.step) },
    }));
    assert.ok(gone.length > 0);
    assert.deepEqual(await eventsOf(store), [...before, ...gone]);
    const again = await orThrow(pruneRun(store, "a", newestOnly));
    assert.deepEqual(again.collected, { objects: 0, bytes: 0 });
    assert.deepEqual(await eventsOf(store), [...before, ...gone], "a second time");
  },
);

backendTest(
  "cpu",
  "pruneRun() as a dry run says what it would do, and changes nothing",
  async (device) => {
    const store = await trained(device);
    const [before, ids] = [await eventsOf(store), await orThrow(store.snapshots.list())];
    const dry = await orThrow(pruneRun(store, "a", keepLast(1), { dryRun: true }));
    assert.equal(dry.dryRun, true);
    assert.deepEqual(await eventsOf(store), before);
    assert.deepEqual(await orThrow(store.snapshots.list()), ids);
    const report = await orThrow(pruneRun(store, "a", keepLast(1)));
    assert.deepEqual({ ...dry, dryRun: false }, report);
    assert.ok(keptSteps(report.snapshots).length < 5, "nothing was pruned");
  },
);

backendTest("cpu", "a dry run needs no lease, and a prune does", async (device) => {
  const store = await trained(device);
  const writer = await orThrow(store.log.open("a"));
  assert.equal((await orThrow(pruneRun(store, "a", newestOnly, { dryRun: true }))).dryRun, true);
  const before = await eventsOf(store);
  assert.equal((await refused(pruneRun(store, "a", newestOnly))).type, "RunLocked");
  assert.deepEqual(await eventsOf(store), before);
  await orThrow(writer.close());
  await orThrow(pruneRun(store, "a", newestOnly));
  await orThrow((await orThrow(store.log.open("a"))).close()); // the lease was given back
});

backendTest(
  "cpu",
  "a run that was pruned, in whatever status, goes on with the same bits",
  async (device) => {
    const expected = await eventsOf(await trained(device));
    for (const status of ["paused", "failed", "running", "completed"] as const) {
      const store = memoryStore();
      await trainTo(store, device, status);
      await orThrow(pruneRun(store, "a", newestOnly));
      assert.equal(
        (await keptBy(store)).size,
        new Set([await bestStep(store), await newest(store)]).size,
      );
      const { state } = await orThrow(trainRun({ store, device }, "a", tenSteps));
      assert.equal(state.status, "completed", status);
      assert.deepEqual((await eventsOf(store)).filter(isTrainingFact), expected, status);
      assert.equal((await orThrow(verifyRun(store, "a"))).ok, true, status);
    }
  },
);

backendTest("cpu", "a prune of a run that is not there says so, and makes none", async (device) => {
  const store = await trained(device);
  const error = await refused(pruneRun(store, "b", newestOnly));
  assert.deepEqual(error, { type: "RunMissing", run: "b", near: ["a"] });
  const open = () => assert.fail("a lease makes a run's directory");
  const guarded = { ...store, log: { ...store.log, open } };
  assert.deepEqual(await refused(pruneRun(guarded, "b", newestOnly)), error);
});

backendTest("cpu", "what another run names as well stays in the store", async (device) => {
  const store = await trained(device);
  await orThrow(trainRun({ store, device }, "b", tenSteps));
  const ids = await orThrow(store.snapshots.list());
  for (const dryRun of [true, false]) {
    const { snapshots, collected } = await orThrow(pruneRun(store, "a", newestOnly, { dryRun }));
    assert.ok(keptSteps(snapshots).length < 5);
    assert.deepEqual(collected, { objects: 0, bytes: 0 });
  }
  assert.deepEqual(await orThrow(store.snapshots.list()), ids);
  assert.equal((await orThrow(verifyRun(store, "b"))).ok, true);
  await orThrow(pruneRun(store, "b", newestOnly));
  assert.ok((await orThrow(store.snapshots.list())).length < 5);
});

backendTest("cpu", "what an archived run names stays in the store", async (device) => {
  const store = await trained(device);
  const ids = await orThrow(store.snapshots.list());
  await orThrow(store.log.archive("a"));
  assert.deepEqual(await orThrow(collectGarbage(store)), { objects: 0, bytes: 0 });
  assert.deepEqual(await orThrow(store.snapshots.list()), ids);
});

backendTest(
  "cpu",
  "the newest snapshot that can be read stays, however many are newer",
  async (device) => {
    const store = lossy(await trained(device));
    const ids = await keptBy(store);
    store.lose(ids.get(10)!);
    store.lose(ids.get(8)!);
    const { snapshots } = await orThrow(pruneRun(store, "a", keepLast(1)));
    const reasons = new Map(snapshots.map(({ snapshot, reasons }) => [snapshot.step, reasons]));
    assert.deepEqual(reasons.get(6)?.filter((reason) => reason !== "best"), ["newest"]);
    assert.ok(reasons.get(10)?.includes("last 1"), "a repair may bring it back");
    const bytes = snapshots.map(({ bytes }) => bytes);
    assert.deepEqual(bytes.map((size) => size === undefined), [false, false, false, true, true]);
  },
);

backendTest(
  "cpu",
  "a snapshot that cannot be looked at is not taken for damaged",
  async (device) => {
    const store = lossy(await trained(device), "unavailable");
    store.lose((await keptBy(store)).get(10)!);
    const before = await eventsOf(store);
    const error = await refused(pruneRun(store, "a", newestOnly));
    assert.equal(error.type, "SnapshotsUnavailable");
    assert.deepEqual(await eventsOf(store), before);
  },
);

backendTest(
  "cpu",
  "keepSince() goes by the time in the snapshot's own envelope",
  async (device) => {
    let minute = 0;
    const now = () => new Date(Date.UTC(2026, 0, 1, 0, minute++)).toISOString();
    const store = memoryStore({ now });
    await orThrow(trainRun({ store, device }, "a", tenSteps));
    const { events } = await orThrow(readRun(store, "a"));
    const taken = events.filter(({ event }) => event.type === "SnapshotTaken");
    const after4 = new Date(Date.parse(taken[1]!.recordedAt) + 1).toISOString();
    const report = await orThrow(pruneRun(store, "a", keepSince(after4)));
    const wanted = report.snapshots.filter(({ reasons }) => reasons.includes(`since ${after4}`));
    assert.deepEqual(wanted.map(({ snapshot }) => snapshot.step), [6, 8, 10]);
  },
);

backendTest(
  "cpu",
  "nothing is pruned or collected while the log of any run cannot be read",
  async (device) => {
    const store = await trained(device);
    await orThrow(trainRun({ store, device }, "b", tenSteps, { until: 2 }));
    const [before, ids] = [await eventsOf(store), await orThrow(store.snapshots.list())];
    const damage: LogError = {
      type: "LogDamaged",
      run: "b",
      position: 3,
      place: "b/log",
      reason: "not JSON",
    };
    const broken = (log: Partial<Store["log"]>): Store => ({
      ...store,
      log: { ...store.log, ...log },
    });
    const stores = [
      broken({ recent: (run) => run === "b" ? TE.left(damage) : store.log.recent(run) }),
      broken({ read: (run) => run === "b" ? TE.left(damage) : store.log.read(run) }),
      broken({ archived: () => TE.left(damage) }),
    ];
    for (const store of stores) {
      const tries: readonly TE.TaskEither<RunError, unknown>[] = [
        collectGarbage(store),
        collectGarbage(store, { dryRun: true }),
        pruneRun(store, "a", newestOnly),
        pruneRun(store, "a", newestOnly, { dryRun: true }),
      ];
      for (const attempted of tries) {
        assert.deepEqual(await refused(attempted), { type: "SnapshotsUnknown", because: damage });
      }
      await assert.rejects(orThrow(collectGarbage(store)), /Nothing was removed.*"b" is damaged/);
    }
    assert.deepEqual(await eventsOf(store), before);
    assert.deepEqual(await orThrow(store.snapshots.list()), ids);
  },
);

backendTest(
  "cpu",
  "a prune that dies anywhere leaves a sound run, and the next one finishes it",
  async (device) => {
    const whole = dying(await trained(device), Infinity);
    const expected = await orThrow(pruneRun(whole, "a", newestOnly));
    assert.ok(whole.hidden.size > 0 && whole.operations() > 3);
    const events = await eventsOf(whole);
    const ids = await orThrow(whole.snapshots.list());
    for (let life = 0; life < whole.operations(); life++) {
      const store = await trained(device);
      const first = dying(store, life);
      await assert.rejects(orThrow(pruneRun(first, "a", newestOnly)), /died/);
      const { ok, problems } = await orThrow(verifyRun(store, "a"));
      assert.ok(ok, `${life}: ${problems.map(({ message }) => message).join()}`);
      const second = dying(store, Infinity, first.hidden);
      await orThrow(pruneRun(second, "a", newestOnly));
      assert.deepEqual(await eventsOf(store), events, `${life}`);
      assert.deepEqual(await orThrow(store.snapshots.list()), ids, `${life}`);
      assert.deepEqual(second.hidden, whole.hidden, `${life}`);
      assert.deepEqual(keptSteps(expected.snapshots), [...(await keptBy(store)).keys()]);
    }
  },
);

backendTest(
  "cpu",
  "a snapshot that was pruned and taken again stays in the view",
  async (device) => {
    const store = lossy(await trained(device, { until: 7 }));
    const id = (await keptBy(store)).get(7)!;
    store.lose(id);
    const policy: RetentionPolicy = (snapshots) =>
      new Map(snapshots.flatMap(({ step, snapshot }) => step === 7 ? [] : [[snapshot, ["kept"]]]));
    await orThrow(pruneRun(store, "a", policy));
    assert.equal((await keptBy(store)).has(7), false);
    const stop = new AbortController();
    const report = ({ type }: Notice) => {
      if (type === "Resumed") stop.abort();
    };
    const env = { store, device, reporter: { report } };
    await orThrow(trainRun(env, "a", tenSteps, { stop: stop.signal }));
    assert.equal((await keptBy(store)).get(7), id);
    const last = dying(store, Infinity);
    await orThrow(pruneRun(last, "a", keepLast(9)));
    assert.deepEqual(last.hidden, new Set());
  },
);

/** A store whose process dies at its n-th change of the world: that one and all after it have no effect. */
function dying(store: Store, life: number, hidden: ReadonlySet<number> = new Set()) {
  const shown = new Set(hidden);
  let operations = 0;
  const unlessDead =
    <Failure, A>(work: TE.TaskEither<Failure, A>): TE.TaskEither<Failure, A> => () => {
      if (operations++ >= life) throw new Error("died");
      return work();
    };
  return {
    hidden: shown,
    operations: () => operations,
    log: {
      ...store.log,
      open: (run) =>
        attempt(async (get) => {
          const writer = await get(store.log.open(run));
          return {
            ...writer,
            append: (events, version) => unlessDead(writer.append(events, version)),
          };
        }),
    },
    sources: store.sources,
    samples: store.samples,
    snapshots: {
      ...store.snapshots,
      hide: (run, step) =>
        unlessDead(TE.map(() => void shown.add(step))(store.snapshots.hide(run, step))),
      collect: (live, options) => unlessDead(store.snapshots.collect(live, options)),
    },
  } satisfies Store & Record<string, unknown>;
}

async function trainTo(
  store: Store,
  device: Device,
  status: "paused" | "failed" | "running" | "completed",
): Promise<void> {
  switch (status) {
    case "completed":
      return void await orThrow(trainRun({ store, device }, "a", tenSteps));
    case "paused":
      return void await orThrow(trainRun({ store, device }, "a", tenSteps, { until: 7 }));
    case "failed": {
      const { data } = tenSteps;
      let batches = 0;
      const at: typeof data.at = (samples) => {
        if (batches++ === 7) throw new Error("no data");
        return data.at(samples);
      };
      const failing = { ...tenSteps, data: { ...data, at } };
      return void await refused(trainRun({ store, device }, "a", failing));
    }
    case "running": { // a process that dies leaves no event
      const whole = memoryStore();
      await orThrow(trainRun({ store: whole, device }, "a", tenSteps));
      await orThrow(trainRun({ store, device }, "copy", tenSteps)); // the snapshots
      await orThrow(store.log.archive("copy"));
      const events = await eventsOf(whole);
      const end = events.findIndex((event) => event.type === "StepTaken" && event.data.step === 8);
      const writer = await orThrow(store.log.open("a"));
      await orThrow(writer.append(events.slice(0, end), 0));
      return await orThrow(writer.close());
    }
  }
}

async function bestStep(store: Store): Promise<number> {
  const evaluated = (await eventsOf(store)).flatMap((event) =>
    event.type === "EvaluationTaken" ? [event.data] : []
  );
  return evaluated.reduce((best, one) => one.loss < best.loss ? one : best).step;
}

async function newest(store: Store): Promise<number> {
  return Math.max(...(await keptBy(store)).keys());
}

function keptSteps(snapshots: PruneReport["snapshots"]): readonly number[] {
  return snapshots.flatMap(({ snapshot, reasons }) => reasons.length > 0 ? [snapshot.step] : []);
}

async function refused<A>(work: TE.TaskEither<RunError, A>): Promise<RunError> {
  const result = await work();
  return E.isLeft(result) ? result.left : assert.fail(JSON.stringify(result.right));
}
