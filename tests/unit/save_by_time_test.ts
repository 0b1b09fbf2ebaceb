import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  describeError,
  type Device,
  fileStore,
  memoryStore,
  orThrow,
  type PartialConfig,
  replayRun,
  type RunEnv,
  type Stopwatch,
  type Store,
  type Task,
  type TrainOptions,
  trainRun,
  verifyRun,
} from "foldlog";
import { savePace } from "../../src/app/training/save_pace.ts";
import { defaultConfig } from "../../src/core/config.ts";
import { backendTest, leaksNothing } from "../support/backends.ts";
import { diskFull, gatedStore } from "../support/gated_store.ts";
import {
  dataOf,
  eventsOf,
  expectRefused,
  factsOf,
  hazardTask,
  killedAt,
  RUN,
  stepOf,
} from "../support/hazard_runs.ts";

// A step takes a second by the stopwatch of these tests, half of it in each of its two passes.

const EVERY_FIVE = { maxReplaySeconds: 5 };

backendTest(
  "cpu",
  "a snapshot is due when the steps since the last took save.maxReplaySeconds",
  async (device) => {
    const store = memoryStore();
    await session(device, store, EVERY_FIVE);
    assert.deepEqual(await savedIn(store), [[5, "auto"], [10, "auto"], [12, "final"]]);
  },
);

backendTest(
  "cpu",
  "snapshots that hold the loop up are no more of its time than save.maxOverhead",
  async (device) => {
    const save = { maxReplaySeconds: 2, maxOverhead: 0.25 };
    const time = handStopwatch();
    const slow: Device = {
      ...device,
      read(tensor, reuse) {
        if (tensor.shape.length === 2) time.pass(100); // six of them are a snapshot: 600 ms
        return device.read(tensor, reuse);
      },
    };
    const store = memoryStore();
    await session(slow, store, save, {}, time);
    const steps = (await savedIn(store)).map(([step]) => step);
    assert.deepEqual(steps, [2, 5, 8, 11, 12], "at 4 only 2000 ms had passed, and not 2400");
  },
);

backendTest("cpu", "waiting for the snapshot before is a cost of the next", async (device) => {
  const time = handStopwatch();
  const store = memoryStore();
  const late = gatedStore(store, async (step) => {
    if (step !== 2) return;
    await until(() => time.askedAt(4_000) > 1); // the loop is at step 4, whose snapshot is due
    time.pass(6_000);
  });
  await session(device, late, { maxReplaySeconds: 2, maxOverhead: 1 }, {}, time);
  assert.deepEqual((await savedIn(store)).map(([step]) => step), [2, 4, 10, 12]);
});

Deno.test("a pace counts the steps from the moment at which the last snapshot let the loop go on", () => {
  const time = handStopwatch();
  const pace = savePace(time);
  const config = { save: { ...defaultConfig.save, maxReplaySeconds: 1, maxOverhead: 0.5 } };
  const due = (milliseconds: number) => (time.pass(milliseconds), pace.isDue(config, 1));
  assert.deepEqual([due(999), due(1)], [false, true]);
  const goesOn = pace.saving();
  time.pass(800);
  goesOn();
  assert.deepEqual([due(1_599), due(1)], [false, true], "800 ms are half of 1600");
  pace.passed();
  assert.deepEqual([due(1_599), due(1)], [false, true]);
});

backendTest(
  "cpu",
  "equal trainings have equal facts and histories, whatever their steps took",
  async (device) => {
    const [slow, fast] = [memoryStore(), memoryStore()];
    await session(device, slow, EVERY_FIVE, {}, handStopwatch(3));
    await session(device, fast, EVERY_FIVE);
    assert.notDeepEqual(await savedIn(slow), await savedIn(fast));
    assert.deepEqual(await factsOf(slow), await factsOf(fast)); // the last snapshot names its history
  },
);

backendTest(
  "cpu",
  "a run that saves by time is, stopped anywhere, the run that was not",
  async (device) => {
    const whole = memoryStore();
    await session(device, whole, EVERY_FIVE);
    for (let step = 1; step < 12; step++) {
      const [paused, killed] = [memoryStore(), memoryStore()];
      await session(device, paused, EVERY_FIVE, { until: step });
      await session(device, paused, EVERY_FIVE);
      await killedIn(device, killed, (event) => stepOf(event) > step);
      await session(device, killed, EVERY_FIVE, {}, handStopwatch(2));
      for (const store of [paused, killed]) {
        assert.deepEqual(await factsOf(store), await factsOf(whole), `step ${step}`);
        const { ok } = await orThrow(replayRun({ store, device }, RUN, task(EVERY_FIVE)));
        assert.ok(ok, "a replay needs no stopwatch");
      }
    }
  },
);

backendTest(
  "cpu",
  "what a resume recomputes has the snapshots of the log alone, and counts for the next",
  async (device) => {
    const store = memoryStore();
    await killedIn(device, store, (event) => stepOf(event) > 9);
    const before = await eventsOf(store);
    await session(device, store, EVERY_FIVE, {}, handStopwatch(3));
    assert.deepEqual((await eventsOf(store)).slice(0, before.length), before);
    const saved = [[5, "auto"], [9, "auto"], [11, "auto"], [12, "final"]];
    assert.deepEqual(await savedIn(store), saved, "steps 6 to 9 took 12 seconds");
  },
);

backendTest(
  "cpu",
  "a snapshot that a killed process stored and did not name is named by the next",
  async (device) => {
    const root = await Deno.makeTempDir();
    try {
      const store = fileStore(root);
      await killedIn(device, store, ({ type }) => type === "SnapshotTaken");
      assert.deepEqual((await orThrow(store.snapshots.shown(RUN))).map(({ step }) => step), [5]);
      await session(device, store, EVERY_FIVE, {}, handStopwatch(0)); // no time says that it is due
      assert.deepEqual(await savedIn(store), [[5, "auto"], [12, "final"]]);
      assert.deepEqual((await orThrow(verifyRun(store, RUN))).problems, []);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
);

backendTest(
  "cpu",
  "a snapshot by time that cannot be stored is tried again when the next is due",
  async (device) => {
    const store = memoryStore();
    const full = gatedStore(store, (step) => Promise.resolve(step === 5 ? diskFull : undefined));
    await session(device, full, EVERY_FIVE);
    assert.deepEqual(await savedIn(store), [[10, "auto"], [12, "final"]]);
    const failed = (await dataOf(store, "SnapshotFailed")).map((
      { step, reason },
    ) => [step, reason]);
    assert.deepEqual(failed, [[5, "auto"]]);
  },
);

backendTest("cpu", "a run can go on saving by time, from a resume on", async (device) => {
  const store = memoryStore();
  await session(device, store, {}, { until: 6 });
  await session(device, store, {}, { config: { save: EVERY_FIVE } });
  const saved = [[4, "scheduled"], [6, "paused"], [11, "auto"], [12, "final"]];
  assert.deepEqual(await savedIn(store), saved);
  assert.deepEqual((await dataOf(store, "ConfigChanged")).map(({ changes }) => changes), [
    { "save.maxReplaySeconds": 5 },
  ]);
});

backendTest(
  "cpu",
  "saving by time without a stopwatch is refused, and says what is missing",
  async (device) => {
    const store = memoryStore();
    const refused = await trainRun({ store, device }, RUN, task(EVERY_FIVE))();
    assert.ok(E.isLeft(refused) && refused.left.type === "StopwatchMissing");
    assert.match(
      describeError(refused.left),
      /save\.maxReplaySeconds is 5.*`stopwatch`, found none/,
    );
    assert.deepEqual(await orThrow(store.log.runs()), []);
    await session(device, store, EVERY_FIVE, { until: 3 });
    await expectRefused(device, store, task(EVERY_FIVE), "StopwatchMissing");
  },
);

/** A stopwatch that is moved by hand. */
interface HandStopwatch extends Stopwatch {
  readonly pass: (milliseconds: number) => void;
  /** How often it was looked at while it showed this. */
  readonly askedAt: (time: number) => number;
  /** How much longer than a second a step takes by it. */
  readonly factor: number;
}

function handStopwatch(factor = 1): HandStopwatch {
  let now = 0;
  const asked = new Map<number, number>();
  return {
    factor,
    pass: (milliseconds) => void (now += milliseconds),
    askedAt: (time) => asked.get(time) ?? 0,
    elapsed() {
      asked.set(now, (asked.get(now) ?? 0) + 1);
      return now;
    },
  };
}

type Save = PartialConfig["save"];

/** Two passes a step, and nothing evaluated, so that time passes in steps alone. */
function task(save: Save): Task {
  const fixed = { batch: { size: 6, micro: 3 }, evaluate: { every: 0 }, fingerprint: { every: 0 } };
  return hazardTask({ ...fixed, save: { every: 4, ...save } });
}

/** The task, in each pass of which time passes. */
function timed(save: Save, time: HandStopwatch): Task {
  const { data, ...own } = task(save);
  return {
    ...own,
    data: {
      ...data,
      at(samples) {
        time.pass(500 * time.factor);
        return data.at(samples);
      },
    },
  };
}

/** One session of a run that saves by time. */
async function session(
  device: Device,
  store: Store,
  save: Save,
  options: TrainOptions = {},
  time: HandStopwatch = handStopwatch(),
): Promise<void> {
  const env: RunEnv = { store, device, stopwatch: time };
  await leaksNothing(() => orThrow(trainRun(env, RUN, timed(save, time), options)));
}

/** A session that is killed when it would record such an event. */
async function killedIn(
  device: Device,
  store: Store,
  last: Parameters<typeof killedAt>[1],
): Promise<void> {
  const stopwatch = handStopwatch();
  const env = (store: Store) => ({ store, device, stopwatch });
  await killedAt(store, last, env, timed(EVERY_FIVE, stopwatch));
}

/** The steps of the snapshots that a log names, and why they were taken. */
async function savedIn(store: Store): Promise<readonly (readonly [number, string])[]> {
  return (await dataOf(store, "SnapshotTaken")).map(({ step, reason }) => [step, reason]);
}

/** Waits, and not for ever: a loop that never asks would hang the test. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds() && turn < 2_000; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
