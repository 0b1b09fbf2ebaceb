import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  describeError,
  type Device,
  isStep,
  keepEvery,
  materialize,
  memoryStore,
  type Notice,
  orThrow,
  pruneRun,
  readRun,
  type ReplayOptions,
  replayRun,
  type SegmentReplay,
  type Store,
  trainRun,
  type VerifyReport,
} from "foldlog";
import * as tf from "foldlog/tf";
import { backendTest } from "../support/backends.ts";
import { forged, otherLoss } from "../support/forged.ts";
import { eventsOf, keptBy, lossy, tenSteps, trained } from "../support/ten_steps.ts";

backendTest("cpu", "a replay recomputes a run in the segments of its snapshots", async (device) => {
  const store = await trained(device, { config: { fingerprint: { every: 4 } } });
  const report = await replayed(device, store);
  assert.deepEqual([report.ok, report.problems], [true, []]);
  const { segments, chance, of, ...sums } = report.replay!;
  assert.deepEqual(stepsOf(segments), [[0, 2], [2, 4], [4, 6], [6, 8], [8, 10]]);
  assert.deepEqual(segments.map(({ steps }) => steps), [2, 2, 2, 2, 2]);
  // Two steps and a snapshot each; ends of epochs at 4 and 8; evaluations at 4, 8 and 10; the end.
  assert.deepEqual(segments.map(({ compared }) => compared), [3, 5, 3, 5, 5]);
  assert.deepEqual(segments.map(({ fingerprints }) => fingerprints), [0, 1, 0, 1, 0]);
  const events = await eventsOf(store);
  assert.deepEqual(sums, { steps: 10, compared: events.length - 1, fingerprints: 2 });
  assert.deepEqual([chance, of], [undefined, undefined]);
});

backendTest(
  "cpu",
  "a loss that is forged with all that follows from it is found by its segment alone, and named",
  async (device) => {
    for (const step of [1, 5, 6, 10]) {
      const store = await forged(await trained(device), otherLoss(step));
      const { ok, problems, replay } = await replayed(device, store);
      assert.deepEqual([ok, problems.map(({ type, step }) => [type, step])], [
        false,
        [["Diverged", step]],
      ]);
      assert.match(problems[0]!.message, /loss: recorded .*, recomputed /);
      const differing = replay!.segments.filter(({ divergence }) => divergence !== undefined);
      const from = 2 * Math.floor((step - 1) / 2);
      assert.deepEqual(stepsOf(differing), [[from, from + 2]]);
      assert.deepEqual(differing[0]!.steps, step - 1 - from);
      assert.ok(differing[0]!.divergence!.members.includes("loss"));
    }
  },
);

backendTest(
  "cpu",
  "a loss that is forged in the log alone is named, though no later snapshot fits it",
  async (device) => {
    const store = memoryStore();
    const writer = await orThrow(store.log.open("a"));
    const original = await trained(device);
    for (const id of (await keptBy(original)).values()) {
      (await orThrow(store.snapshots.put("a", await orThrow(original.snapshots.get(id)))))
        .release();
    }
    const { event } = otherLoss(5);
    await orThrow(writer.append((await eventsOf(original)).map(event!), 0));
    await orThrow(writer.close());
    const { problems, replay } = await replayed(device, store);
    assert.deepEqual(problems.map(({ type, step }) => [type, step]), [
      ["SnapshotDiffers", 6],
      ["SnapshotDiffers", 8],
      ["SnapshotDiffers", 10],
      ["Diverged", 5],
    ]);
    assert.deepEqual(stepsOf(replay!.segments), [[0, 2], [2, 4], [4, 10]]);
  },
);

backendTest(
  "cpu",
  "of several differences the first is named, and all are told",
  async (device) => {
    const store = await forged(await trained(device), otherLoss(3, 7, 8));
    const { problems, replay } = await replayed(device, store);
    assert.deepEqual(problems.map(({ type, step }) => [type, step]), [["Diverged", 3]]);
    assert.match(problems[0]!.message, /differ too, the first time at step 7$/m);
    assert.deepEqual(replay!.segments.map(({ divergence }) => divergence?.step), [
      undefined,
      3,
      undefined,
      7,
      undefined,
    ]);
    assert.deepEqual([replay!.steps, replay!.segments[1]!.steps], [6, 0]);
  },
);

backendTest(
  "cpu",
  "a forged state is named by its tensor where it is taken, and not where it is begun with",
  async (device) => {
    const store = await forged(await trained(device), {
      snapshot: (snapshot) => {
        if (snapshot.step !== 4) return snapshot;
        const model = new Map(snapshot.groups["model"]);
        const { shape } = model.get("slope")!;
        model.set("slope", { dtype: "float32", shape, data: Float32Array.of(3) });
        return { ...snapshot, groups: { ...snapshot.groups, model } };
      },
    });
    const { problems, replay } = await replayed(device, store);
    assert.deepEqual(problems.map(({ step, leaves }) => [step, leaves]), [[4, ["model/slope"]]]);
    const differing = replay!.segments.map(({ divergence }) => divergence?.step);
    assert.deepEqual(differing, [undefined, 4, 5, undefined, undefined]);
  },
);

backendTest("cpu", "from and to replay the segments around them alone", async (device) => {
  const store = await forged(await trained(device), otherLoss(1));
  const { ok, replay } = await replayed(device, store, { from: 3, to: 5 });
  assert.deepEqual([ok, stepsOf(replay!.segments), replay!.steps], [true, [[2, 4], [4, 6]], 4]);
  const toTwo = await replayed(device, store, { to: 2 });
  assert.deepEqual([toTwo.ok, toTwo.problems[0]!.step], [false, 1]);
});

backendTest("cpu", "steps that a run does not have are refused", async (device) => {
  const store = await trained(device);
  const ranges: readonly ReplayOptions[] = [{ from: 10 }, { to: 11 }, { from: 4, to: 3 }, {
    from: -1,
  }, { to: 0 }];
  for (const range of ranges) {
    const result = await replayRun({ store, device }, "a", tenSteps, range)();
    assert.ok(E.isLeft(result) && result.left.type === "StepsOutside");
    assert.match(describeError(result.left), /it goes from step 0 to 10/);
  }
});

backendTest(
  "cpu",
  "a sample takes K of N segments, and says what it would catch",
  async (device) => {
    const store = await forged(await trained(device), otherLoss(5));
    for (const [drawn, caught] of [[[2, 2], true], [[0, 0], false]] as const) {
      const draws = [...drawn];
      const sample = { count: 2, draw: () => draws.shift()! };
      const { ok, replay } = await replayed(device, store, { sample });
      assert.equal(ok, !caught);
      assert.deepEqual(stepsOf(replay!.segments), caught ? [[4, 6], [6, 8]] : [[0, 2], [2, 4]]);
      assert.deepEqual([replay!.chance, replay!.of], [2 / 5, 5]);
    }
    const all = await replayed(device, store, { from: 6, sample: { count: 9, draw: () => 0 } });
    assert.deepEqual([all.ok, all.replay!.chance, all.replay!.of], [true, 1, 2]);
  },
);

backendTest(
  "cpu",
  "a segment whose snapshot cannot be read begins at the one before, whenever that shows",
  async (device) => {
    const store = await trained(device);
    const lost = lossy(store, "damaged");
    lost.lose((await keptBy(store)).get(4)!);
    const found = await replayed(device, lost);
    assert.deepEqual(found.problems.map(({ type, step }) => [type, step]), [
      ["SnapshotUnreadable", 4],
    ]);
    assert.deepEqual(stepsOf(found.replay!.segments), [[0, 2], [2, 6], [6, 8], [8, 10]]);
    assert.equal(found.replay!.steps, 10);

    const later = lossy(store); // it is lost between the check and the replay
    const id = (await keptBy(store)).get(4)!;
    const skipped: Notice[] = [];
    const report = (notice: Notice) => {
      if (notice.type === "Replaying") later.lose(id);
      if (notice.type === "SnapshotSkipped") skipped.push(notice);
    };
    const env = { store: later, device, reporter: { report } };
    const { ok, replay } = await orThrow(replayRun(env, "a", tenSteps));
    assert.deepEqual(stepsOf(replay!.segments), [[0, 2], [2, 4], [2, 6], [6, 8], [8, 10]]);
    assert.deepEqual([ok, replay!.steps, skipped.length], [true, 12, 1]);
  },
);

backendTest("cpu", "a pruned snapshot is no start, and is compared on the way", async (device) => {
  const store = await trained(device);
  await orThrow(pruneRun(store, "a", keepEvery(6)));
  const kept = [...(await keptBy(store)).keys()].filter((step) => step < 10);
  const { ok, replay } = await replayed(device, store);
  assert.deepEqual(stepsOf(replay!.segments).map(([from]) => from), [0, ...kept]);
  const events = await eventsOf(store);
  const computed = events.filter(({ type }) => !["RunStarted", "SnapshotPruned"].includes(type));
  assert.deepEqual([ok, replay!.compared], [true, computed.length]);
});

backendTest("cpu", "a replay compares what a pause took, and the end", async (device) => {
  const store = memoryStore();
  await orThrow(trainRun({ store, device }, "a", tenSteps, { until: 5 }));
  const paused = await replayed(device, store);
  assert.deepEqual([paused.ok, stepsOf(paused.replay!.segments)], [true, [[0, 2], [2, 4], [4, 5]]]);
  await orThrow(trainRun({ store, device }, "a", tenSteps));
  const { ok, replay } = await replayed(device, store);
  assert.deepEqual([ok, stepsOf(replay!.segments)], [
    true,
    [[0, 2], [2, 4], [4, 5], [5, 6], [6, 8], [8, 10]],
  ]);
  const { events } = await orThrow(readRun(store, "a"));
  assert.equal(replay!.compared, events.length - 3); // but RunStarted, RunPaused and RunResumed
});

backendTest(
  "cpu",
  "of a run that went back with other settings both branches are replayed",
  async (device) => {
    const store = await trained(device);
    const config = { optimizer: { learningRate: 0.2 } };
    const options = { at: 5, config, recordChanges: true };
    await orThrow(trainRun({ store, device }, "a", tenSteps, options));
    const { ok, problems, replay } = await replayed(device, store);
    assert.deepEqual([ok, problems], [true, []]);
    const live = [[0, 2], [2, 4], [4, 6], [6, 8], [8, 10]];
    assert.deepEqual(stepsOf(replay!.segments), [...live, [4, 6], [6, 8], [8, 10]]);
    assert.equal(replay!.steps, 10 + 6);
    const { events } = await orThrow(readRun(store, "a"));
    const ofStep5 =
      events.filter(({ event: { type, data } }) => type === "StepTaken" && data.step === 5).length; // the segment that both branches begin with
    const marks = ["RunStarted", "RunResumed", "RunRewound", "ConfigChanged"];
    const facts = events.filter(({ event: { type } }) => !marks.includes(type));
    assert.equal(replay!.compared, facts.length + ofStep5);
  },
);

backendTest("cpu", "a snapshot of the initial state does not stand for it", async (device) => {
  const store = memoryStore();
  await orThrow(trainRun({ store, device }, "a", tenSteps, { until: 0 }));
  assert.deepEqual([...(await keptBy(store)).keys()], [0]);
  assert.equal((await replayed(device, store)).ok, true);
  const init = () => ({ slope: tf.tensor([1]), offset: tf.tensor([2]) });
  const { problems } = await orThrow(replayRun({ store, device }, "a", { ...tenSteps, init }));
  assert.deepEqual(problems.map(({ type, step }) => [type, step]), [["Diverged", 0]]);
});

backendTest("cpu", "a run that went on beyond its end is replayed through it", async (device) => {
  const store = await trained(device);
  const options = { config: { steps: { max: 13 } }, recordChanges: true };
  await orThrow(trainRun({ store, device }, "a", tenSteps, options));
  const { ok, problems, replay } = await replayed(device, store);
  assert.deepEqual([ok, problems], [true, []]);
  assert.deepEqual(stepsOf(replay!.segments).slice(-3), [[8, 10], [10, 12], [12, 13]]);
});

backendTest(
  "cpu",
  "a snapshot that was made later ends a segment, and is compared there",
  async (device) => {
    const original = await trained(device, { config: { save: { every: 5 } } });
    for (const [change, step] of [[0, undefined], [1, 3]] as const) {
      const { store, state } = await withMaterialized(original, device, change);
      const { ok, problems, replay } = await replayed(device, store);
      assert.deepEqual(stepsOf(replay!.segments), [[0, 3], [3, 5], [5, 10]]);
      assert.equal(ok, step === undefined);
      const [problem] = problems;
      assert.deepEqual([problem?.step, problem?.leaves], [step, step && ["model/offset"]]);
      assert.ok(problem === undefined || problem.message.includes(`state: recorded ${state}`));
    }
  },
);

backendTest("cpu", "a snapshot is made again only as the log says that it was", async (device) => {
  const original = await trained(device, { config: { save: { every: 5 } } });
  for (const change of [0, 1]) {
    const made = await withMaterialized(original, device, change);
    const store = lossy(made.store, "damaged");
    store.lose((await keptBy(store)).get(3)!);
    const result = await materialize({ store, device }, "a", tenSteps, 3)();
    assert.equal(E.isRight(result), change === 0);
    assert.equal(store.stored.length > 0, change === 0);
    if (E.isLeft(result)) assert.equal(result.left.type, "Diverged");
  }
});

backendTest(
  "cpu",
  "steps of another environment do not forbid a replay of others",
  async (device) => {
    const store = memoryStore();
    const { environment } = device;
    const there = { ...device, environment: { ...environment, runtime: "another" } };
    await orThrow(trainRun({ store, device: there }, "a", tenSteps, { until: 4 }));
    await orThrow(trainRun({ store, device }, "a", tenSteps, { acceptEnvironment: true }));
    assert.equal((await replayed(device, store, { from: 4 })).ok, true);
    assert.equal((await replayed(there, store, { to: 4 })).ok, true);
    for (const [where, range, steps] of [[device, {}, [1, 4]], [there, {}, [5, 10]]] as const) {
      const result = await replayRun({ store, device: where }, "a", tenSteps, range)();
      assert.ok(E.isLeft(result) && result.left.type === "ComputedElsewhere");
      assert.deepEqual([result.left.from, result.left.to], steps);
    }
  },
);

backendTest("cpu", "people are told of each segment that is done", async (device) => {
  const store = await forged(await trained(device), otherLoss(5));
  const notices: Notice[] = [];
  const reporter = { report: (notice: Notice) => void notices.push(notice) };
  await orThrow(replayRun({ store, device, reporter }, "a", tenSteps, { from: 2, to: 6 }));
  const [begun] = notices;
  assert.deepEqual(begun, {
    type: "Replaying",
    run: "a",
    segments: 2,
    of: 2,
    steps: 4,
    workers: 1,
  });
  const segments = notices.flatMap((notice) => notice.type === "SegmentReplayed" ? notice : []);
  assert.deepEqual(
    segments.map(({ from, to, differs, done, of }) => [from, to, differs, done, of]),
    [
      [2, 4, undefined, 1, 2],
      [4, 6, 5, 2, 2],
    ],
  );
});

/** A copy of a run with a snapshot of step 3 that was made later, of which one tensor is changed by so much. */
async function withMaterialized(original: Store, device: Device, change: number) {
  const early = memoryStore();
  const settings = { until: 3, config: { save: { every: 5 } } };
  await orThrow(trainRun({ store: early, device }, "a", tenSteps, settings));
  const { state: { cursor, snapshots, lastLoss } } = await orThrow(readRun(early, "a"));
  const snapshot = await orThrow(early.snapshots.get(snapshots[0]!.snapshot));
  const model = new Map(snapshot.groups["model"]);
  const { shape, data } = model.get("offset")!;
  model.set("offset", {
    dtype: "float32",
    shape,
    data: Float32Array.from(data, (x) => x + change),
  });
  const store = await forged(original, {});
  const put = await orThrow(
    store.snapshots.put("a", { ...snapshot, groups: { ...snapshot.groups, model } }),
  );
  put.release();
  const events = await eventsOf(store);
  const position = 1 + events.findIndex((event) => isStep(event) && event.data.step === 3);
  const { loss } = lastLoss!;
  const about = { step: 3, snapshot: put.id, state: put.manifest.state, position, ...cursor, loss };
  const writer = await orThrow(store.log.open("a"));
  await orThrow(
    writer.append([{ type: "SnapshotMaterialized", data: about }], events.length),
  );
  await orThrow(writer.close());
  return { store, state: put.manifest.state };
}

function replayed(
  device: Device,
  store: Store,
  options: ReplayOptions = {},
): Promise<VerifyReport> {
  return orThrow(replayRun({ store, device }, "a", tenSteps, options));
}

function stepsOf(segments: readonly SegmentReplay[]): readonly (readonly [number, number])[] {
  return segments.map(({ from, to }) => [from, to]);
}
