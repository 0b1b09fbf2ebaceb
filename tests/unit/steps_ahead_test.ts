import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import * as TE from "fp-ts/TaskEither.js";
import {
  type Device,
  isTrainingFact,
  type LogWriter,
  memoryStore,
  type Notice,
  orThrow,
  type PartialConfig,
  replayRun,
  type RunError,
  type RunEvent,
  type RunOutcome,
  type Store,
  type Task,
  type TrainOptions,
  trainRun,
} from "foldlog";
import { openJournal } from "../../src/app/training/journal.ts";
import { openStepsAhead } from "../../src/app/training/steps_ahead.ts";
import { backendTest } from "../support/backends.ts";
import { lateDevice, oddDelays } from "../support/late_device.ts";
import { eventsOf, tenSteps } from "../support/ten_steps.ts";

const AHEAD = 3;

/** Ten steps, fingerprints, and nothing in between that the loop would wait for. */
const alone: PartialConfig = {
  save: { every: 0 },
  evaluate: { every: 0 },
  fingerprint: { every: 3 },
};

Deno.test("what is read is recorded in order, however the reads end", async () => {
  const journal = openJournal();
  const ahead = openStepsAhead(journal);
  const recorded: number[] = [];
  for (let step = 1; step <= 10; step++) {
    const reading = oddDelays(step).then(() => step);
    await ahead.add(reading, AHEAD, (read) => Promise.resolve(void recorded.push(read)));
  }
  await journal.drain();
  assert.deepEqual(recorded, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

Deno.test("a limit of 0 waits until all before it is recorded too", async () => {
  const journal = openJournal();
  const ahead = openStepsAhead(journal);
  const recorded: string[] = [];
  const record = (read: string) => Promise.resolve(void recorded.push(read));
  await ahead.add(pause(10).then(() => "slow"), 1, record);
  assert.deepEqual(recorded, []);
  await ahead.add(Promise.resolve("quick"), 0, record);
  assert.deepEqual(recorded, ["slow", "quick"]);
});

Deno.test("reads are waited for while the journal is busy aside, records are not", async () => {
  const journal = openJournal();
  const ahead = openStepsAhead(journal);
  const { promise, resolve } = Promise.withResolvers<void>();
  const recorded: number[] = [];
  journal.addAside(() => promise);
  let read = 0;
  for (let step = 1; step <= 5; step++) {
    const reading = pause(2).then(() => ++read);
    await ahead.add(reading, 1, (step) => Promise.resolve(void recorded.push(step)));
    assert.ok(read >= step - 1, "one is ahead of the reads, no more");
  }
  assert.deepEqual(recorded, []);
  resolve();
  await journal.drain();
  assert.deepEqual(recorded, [1, 2, 3, 4, 5]);
});

Deno.test("after a read that failed nothing is recorded, and settle() outlasts the others", async () => {
  const journal = openJournal();
  const ahead = openStepsAhead(journal);
  const lost = new Error("the device is lost");
  const recorded: number[] = [];
  let last = false;
  const record = (step: number) => Promise.resolve(void recorded.push(step));
  await ahead.add(pause(4).then(() => 1), AHEAD, record);
  await ahead.add(Promise.reject(lost), AHEAD, record);
  await ahead.add(pause(15).then(() => (last = true, 3)), AHEAD, record);
  await assert.rejects(journal.drain(), lost);
  assert.deepEqual([recorded, last], [[1], false]);
  await ahead.settle();
  assert.equal(last, true);
});

for (const config of [{}, alone]) {
  backendTest(
    "cpu",
    `a run's events do not depend on when reads end (${JSON.stringify(config)})`,
    async (device) => {
      const store = memoryStore();
      await orThrow(train(lateDevice(device, AHEAD, oddDelays), store, { config }));
      assert.deepEqual(await eventsOf(store), await leftAlone(device, config));
    },
  );
}

backendTest(
  "webgpu",
  "a run's events do not depend on how many steps are ahead",
  async (device) => {
    const store = memoryStore();
    await orThrow(train({ ...device, stepsAhead: 0 }, store, {}));
    assert.deepEqual(await eventsOf(store), await leftAlone(device, {}));
  },
);

for (const [backend, steps] of [["webgpu", 4], ["wasm", undefined], ["cpu", undefined]] as const) {
  backendTest(
    backend,
    `a device has ${steps ?? "no"} steps ahead, as docs/determinism.md says`,
    (device) => assert.equal(device.stepsAhead, steps),
  );
}

backendTest("cpu", "so many steps are ahead of one that is read, and no more", async (device) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watched = watchedTask();
  const store = memoryStore();
  const late = lateDevice(device, AHEAD, (step) => step === 1 ? promise : Promise.resolve());
  const training = orThrow(train(late, store, { config: alone }, watched.task));
  await expectBatches(watched.batches, 1 + AHEAD);
  assert.deepEqual(stepsOf(await eventsOf(store)), []);
  resolve();
  await training;
  assert.deepEqual(await eventsOf(store), await leftAlone(device, alone));
});

backendTest("cpu", "a device that says nothing of it has no step ahead", async (device) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watched = watchedTask();
  const { stepsAhead: _, ...late } = lateDevice(device, 0, () => promise);
  const training = orThrow(train(late, memoryStore(), { config: alone }, watched.task));
  await expectBatches(watched.batches, 1);
  resolve();
  await training;
});

backendTest("cpu", "steps before a read that fails are recorded, none after it", async (device) => {
  const lost = new Error("the device is lost");
  const store = memoryStore();
  const late = lateDevice(device, AHEAD, async (step) => {
    await oddDelays(step);
    if (step === 5) throw lost;
  });
  await assert.rejects(train(late, store, { config: alone })(), lost);
  const events = await eventsOf(store);
  const untouched = await leftAlone(device, alone);
  assert.deepEqual(events, untouched.slice(0, events.length));
  assert.deepEqual(stepsOf(events), [1, 2, 3, 4]);
  await orThrow(train(device, store, { config: alone }));
  assert.deepEqual(await eventsOf(store), untouched);
});

backendTest(
  "cpu",
  "a task that throws while steps are read fails after all of them",
  async (device) => {
    for (const failing of [2, 4, 7]) {
      const store = memoryStore();
      const task = watchedTask((batches) => {
        if (batches === failing) throw new Error("no such sample");
      }).task;
      const late = lateDevice(device, AHEAD, oddDelays);
      const result = await train(late, store, { config: alone }, task)();
      assert.ok(E.isLeft(result) && result.left.type === "TaskFailed");
      assert.equal(result.left.step, failing - 1);
      const untouched = await leftAlone(device, alone);
      const message = "no such sample";
      assert.deepEqual(await eventsOf(store), [
        ...untouched.filter((event) => event.type === "RunStarted" || stepOf(event) < failing),
        { type: "RunFailed", data: { step: failing - 1, message } },
      ]);
    }
  },
);

backendTest(
  "cpu",
  "of a read and of a task that fail, the failure of the earlier step is told",
  async (device) => {
    const lost = new Error("the device is lost");
    const { task } = watchedTask((batches) => {
      if (batches === 6) throw new Error("no such sample");
    });
    const store = memoryStore();
    const late = lateDevice(device, AHEAD, async (step) => {
      await pause(10);
      if (step === 5) throw lost;
    });
    await assert.rejects(train(late, store, { config: alone }, task)(), lost);
    const events = await eventsOf(store);
    assert.deepEqual(stepsOf(events), [1, 2, 3, 4]);
    assert.ok(!events.some(({ type }) => type === "RunFailed"));
  },
);

backendTest("cpu", "a log that fails loses the steps after it, and no tensor", async (device) => {
  const store = memoryStore();
  const late = lateDevice(device, AHEAD, oddDelays);
  const result = await train(late, fullAt(store, 5), { config: alone })();
  assert.ok(E.isLeft(result) && result.left.type === "LogUnavailable");
  assert.deepEqual(stepsOf(await eventsOf(store)), [1, 2, 3, 4]);
  await orThrow(train(late, store, { config: alone }));
  assert.deepEqual(await eventsOf(store), await leftAlone(device, alone));
});

for (const pausing of ["until", "signal"] as const) {
  backendTest(
    "cpu",
    `a pause records all that was taken, then itself: ${pausing}`,
    async (device) => {
      const store = memoryStore();
      const abort = new AbortController();
      const watched = watchedTask();
      const late = lateDevice(device, AHEAD, oddDelays);
      const report = (notice: Notice) =>
        notice.type === "Step" && notice.step === 5 && abort.abort();
      const options = pausing === "until" ? { until: 5 } : { stop: abort.signal };
      await orThrow(train(late, store, { config: alone, ...options }, watched.task, report));
      const events = await eventsOf(store);
      const taken = watched.batches();
      assert.ok(pausing === "until" ? taken === 5 : taken >= 5 && taken <= 5 + AHEAD);
      assert.equal(stepsOf(events).length, taken);
      const [snapshot, paused] = events.slice(-2);
      assert.ok(snapshot?.type === "SnapshotTaken" && snapshot.data.step === taken);
      assert.deepEqual(paused, { type: "RunPaused", data: { step: taken, reason: pausing } });
      await orThrow(train(late, store, { config: alone }));
      const facts = (await eventsOf(store)).filter(isTrainingFact);
      assert.deepEqual(facts, (await leftAlone(device, alone)).filter(isTrainingFact));
    },
  );
}

backendTest("cpu", "patience ends a run at the same step, whatever is ahead", async (device) => {
  const config = {
    steps: { max: 40 },
    evaluate: { every: 2, batches: 1, patience: 2 },
    save: { every: 0 },
  };
  const store = memoryStore();
  const { state } = await orThrow(train(lateDevice(device, AHEAD, oddDelays), store, { config }));
  assert.ok(state.step < 40, "the test is of a run that gives up");
  assert.deepEqual(await eventsOf(store), await leftAlone(device, config));
});

backendTest("cpu", "a resume stops at the first difference, none taken ahead", async (device) => {
  const events = await leftAlone(device, alone);
  const store = memoryStore();
  const writer = await orThrow(store.log.open("a"));
  const changed = events.slice(0, -2).map((event) =>
    event.type === "StepTaken" && event.data.step === 3
      ? { ...event, data: { ...event.data, loss: event.data.loss + 1 } }
      : event
  );
  await orThrow(writer.append(changed, 0));
  await orThrow(writer.close());
  const watched = watchedTask();
  const late = lateDevice(device, AHEAD, oddDelays);
  const result = await train(late, store, { config: alone }, watched.task)();
  assert.ok(E.isLeft(result) && result.left.type === "Diverged" && result.left.step === 3);
  assert.equal(watched.batches(), 3);
});

backendTest(
  "cpu",
  "a replay computes what is recorded, and no step, evaluation or snapshot beyond it",
  async (device) => {
    const config = { save: { every: 4 }, evaluate: { every: 4, batches: 1 } };
    const ends = [["StepTaken", 3, 0], ["StepTaken", 4, 0], ["EvaluationTaken", 4, 1]] as const;
    const events = await leftAlone(device, config);
    for (const [type, last, evaluations] of ends) {
      const end = events.findIndex((event) => event.type === type && stepOf(event) === last);
      const store = memoryStore();
      const writer = await orThrow(store.log.open("a"));
      await orThrow(writer.append(events.slice(0, end + 1), 0));
      await orThrow(writer.close());
      const watched = watchedTask();
      const { replay, problems } = await orThrow(
        replayRun({ store, device: lateDevice(device, AHEAD, oddDelays) }, "a", watched.task),
      );
      assert.deepEqual([replay?.steps, problems], [last, []]);
      assert.deepEqual([watched.batches(), watched.evaluations()], [last, evaluations]);
      assert.deepEqual(await orThrow(store.snapshots.list()), []);
    }
  },
);

function train(
  device: Device,
  store: Store,
  options: TrainOptions = {},
  task: Task = tenSteps,
  report: (notice: Notice) => void = () => {},
): TE.TaskEither<RunError, RunOutcome> {
  return trainRun({ store, device, reporter: { report } }, "a", task, options);
}

/** The events of a run that waits for each step. */
async function leftAlone(device: Device, config: PartialConfig): Promise<readonly RunEvent[]> {
  const store = memoryStore();
  await orThrow(train(device, store, { config }));
  return await eventsOf(store);
}

/** A task, and how many batches it was asked for so far. */
interface WatchedTask {
  readonly task: Task;
  readonly batches: () => number;
  /** Those of its held-out data. */
  readonly evaluations: () => number;
}

/** The task, with how many batches it was asked for; `watch` is told of each that is trained on. */
function watchedTask(watch: (batches: number) => unknown = () => {}): WatchedTask {
  let [batches, evaluations] = [0, 0];
  const { data, evaluation } = tenSteps as Task;
  const at: Task["data"]["at"] = (samples) => {
    watch(++batches);
    return data.at(samples);
  };
  const heldOut: Task["data"]["at"] = (samples) => {
    evaluations++;
    return evaluation!.data.at(samples);
  };
  return {
    task: {
      ...tenSteps,
      data: { ...data, at },
      evaluation: { ...evaluation!, data: { ...evaluation!.data, at: heldOut } },
    },
    batches: () => batches,
    evaluations: () => evaluations,
  };
}

/** Waits until a task was asked for so many batches, however busy the machine is, and then for no more. */
async function expectBatches(batches: () => number, expected: number): Promise<void> {
  const patience = performance.now() + 20_000; // where they never come
  while (batches() < expected && performance.now() < patience) await pause(1);
  await pause(20);
  assert.equal(batches(), expected);
}

/** A store whose log takes no step from `full` on. */
function fullAt(store: Store, full: number): Store {
  const failure = TE.left(
    { type: "LogUnavailable", action: "append", place: "a", reason: "No space left" } as const,
  );
  const open: Store["log"]["open"] = (run) => async () => {
    const opened = await store.log.open(run)();
    return E.map((writer: LogWriter) => ({
      ...writer,
      append: (...[events, version]: Parameters<LogWriter["append"]>) =>
        events.some((event) => stepOf(event) >= full) ? failure : writer.append(events, version),
    }))(opened);
  };
  return { ...store, log: { ...store.log, open } };
}

function stepOf(event: RunEvent): number {
  return "step" in event.data ? event.data.step : 0;
}

function stepsOf(events: readonly RunEvent[]): readonly number[] {
  return events.flatMap((event) => event.type === "StepTaken" ? [event.data.step] : []);
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
