import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { memoryStore } from "../../src/adapters/memory/memory_store.ts";
import type { RunError } from "../../src/app/errors/errors.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";
import type { RunOutcome } from "../../src/app/training/run_outcome.ts";
import type { TrainOptions } from "../../src/app/training/train_options.ts";
import { trainRun } from "../../src/app/training/train_run.ts";
import { isTrainingFact, type RunEvent } from "../../src/core/event.ts";
import type { Device } from "../../src/ports/device.ts";
import type { Notice } from "../../src/ports/reporter.ts";
import type { Store } from "../../src/ports/store.ts";
import type { Task } from "../../src/ports/task.ts";
import { goldenTask } from "../golden/golden_task.ts";
import { backendTest } from "../support/backends.ts";
import { liveOnly } from "../../src/testing/snapshot_answers.ts";
import { diskFull, type Gate, gatedStore } from "../support/gated_store.ts";

// The task has 12 steps and a snapshot every 3.

backendTest(
  "cpu",
  "steps are taken while a snapshot is stored; their events wait for its event",
  async (device) => {
    const store = memoryStore();
    const { gate, open } = closedGate(3);
    const watched = watchedTask(goldenTask);
    const training = right(train(device, gatedStore(store, gate), watched.task));
    await until(() => watched.batches() >= 6);
    assert.deepEqual(
      stepsOf(await eventsOf(store)),
      [1, 2, 3],
      "no event overtakes the snapshot's",
    );
    open();
    await training;
    assert.deepEqual(await eventsOf(store), await eventsOf(await leftAlone(device)));
  },
);

backendTest(
  "cpu",
  "the loop waits where a snapshot is due before the last is durable",
  async (device) => {
    const { gate, open } = closedGate(3);
    const watched = watchedTask(goldenTask);
    const training = right(train(device, gatedStore(memoryStore(), gate), watched.task));
    await until(() => watched.batches() >= 6);
    await pause(50);
    assert.equal(watched.batches(), 6, "step 6 has a snapshot due");
    open();
    await training;
    assert.equal(watched.batches(), 12);
  },
);

backendTest(
  "cpu",
  "hazards 32, 33: what is stored is the state of its step, however late",
  async (device) => {
    const slow: Device = {
      ...device,
      async read(tensor, reuse) {
        if (tensor.size === 1) await pause(5); // a parameter, not a step's two metrics
        return await device.read(tensor, reuse);
      },
    };
    const store = memoryStore();
    const late = gatedStore(store, () => pause(15));
    await right(train(slow, late));
    assert.deepEqual(await eventsOf(store), await eventsOf(await leftAlone(device)));
  },
);

backendTest(
  "cpu",
  "hazard 30: a failed save is an event and a warning, and never a checkpoint",
  async (device) => {
    const store = memoryStore();
    const full: Gate = (step) => Promise.resolve(step === 6 ? diskFull : undefined);
    const notices: Notice[] = [];
    const { state } = await right(train(device, gatedStore(store, full), goldenTask, {}, notices));
    assert.equal(state.status, "completed");
    assert.deepEqual(state.snapshots.map(({ step }) => step), [3, 9, 12]);
    assert.equal(state.failedSnapshot, 6);
    const warned = notices.filter(({ type }) => type === "SaveFailed");
    assert.ok(warned[0]?.type === "SaveFailed" && /No space left/.test(warned[0].reason));
    assert.equal(warned.length, 1);
    const events = await eventsOf(store);
    const untouched = await eventsOf(await leftAlone(device));
    assert.deepEqual(
      events.filter((event) => event.type !== "SnapshotFailed"),
      untouched.filter((event) => event.type !== "SnapshotTaken" || event.data.step !== 6),
      "later snapshots have the ids that they have anyway",
    );
    const at = events.findIndex(({ type }) => type === "SnapshotFailed");
    assert.equal(untouched[at]?.type, "SnapshotTaken", "it stands where the snapshot would stand");
  },
);

backendTest(
  "cpu",
  "a run with a failed save is resumed over it with equal bits",
  async (device) => {
    for (const until of [6, 7, 8]) {
      const store = memoryStore();
      const full: Gate = (step) => Promise.resolve(step === 6 ? diskFull : undefined);
      const dying = diesAfter(until);
      await train(device, gatedStore(store, full), goldenTask, {}, [], dying)().catch(() => {});
      const before = await eventsOf(store);
      assert.equal(stepsOf(before).length, until);
      const { state } = await right(train(device, store));
      const after = await eventsOf(store);
      assert.deepEqual(after.slice(0, before.length), before);
      assert.deepEqual(
        after.filter((event) => isTrainingFact(event) && !isSnapshotOf(event, 6)),
        (await eventsOf(await leftAlone(device))).filter((event) => !isSnapshotOf(event, 6)),
      );
      assert.deepEqual(state.snapshots.map(({ step }) => step).filter((step) => step !== 6), [
        3,
        9,
        12,
      ]);
    }
  },
);

backendTest(
  "cpu",
  "hazard 31: a run is complete only when its last snapshot is durable",
  async (device) => {
    const store = memoryStore();
    const { gate, open } = closedGate(12);
    let ended = false;
    const training = right(train(device, gatedStore(store, gate))).then(() => void (ended = true));
    await until(async () => stepsOf(await eventsOf(store)).includes(12));
    await pause(30);
    assert.equal(ended, false);
    assert.ok(!(await eventsOf(store)).some(({ type }) => type === "RunCompleted"));
    open();
    await training;
    assert.deepEqual((await eventsOf(store)).slice(-2).map(({ type }) => type), [
      "SnapshotTaken",
      "RunCompleted",
    ]);
  },
);

backendTest(
  "cpu",
  "a run whose last snapshot cannot be stored does not complete, and can later",
  async (device) => {
    const store = memoryStore();
    const full: Gate = (step) => Promise.resolve(step === 12 ? diskFull : undefined);
    const failed = await train(device, gatedStore(store, full))();
    assert.deepEqual(failed, E.left(diskFull));
    assert.deepEqual(stepsOf(await eventsOf(store)).at(-1), 12);
    assert.ok(!/RunCompleted|SnapshotFailed/.test(JSON.stringify(await eventsOf(store))));
    assert.equal((await right(train(device, store))).status, "completed");
    assert.deepEqual(await eventsOf(store), await eventsOf(await leftAlone(device)));
  },
);

backendTest("cpu", "a run can be paused though its snapshot cannot be stored", async (device) => {
  const store = memoryStore();
  const full: Gate = () => Promise.resolve(diskFull);
  const { status } = await right(train(device, gatedStore(store, full), goldenTask, { until: 5 }));
  assert.equal(status, "paused");
  assert.deepEqual((await eventsOf(store)).slice(-2).map(({ type }) => type), [
    "SnapshotFailed",
    "RunPaused",
  ]);
  await right(train(device, store));
  const facts = (await eventsOf(store)).filter(isTrainingFact);
  const untouched = await eventsOf(await leftAlone(device));
  assert.deepEqual(facts, untouched.filter((event) => !isSnapshotOf(event, 3)));
});

backendTest(
  "cpu",
  "a task that throws while a snapshot is stored fails its run in order",
  async (device) => {
    const store = memoryStore();
    const { gate, open } = closedGate(3);
    const task: Task = {
      ...goldenTask,
      data: {
        ...goldenTask.data,
        at(samples) {
          if (++taken === 6) {
            setTimeout(open, 20);
            throw new Error("no such sample");
          }
          return goldenTask.data.at(samples);
        },
      },
    };
    let taken = 0;
    const result = await train(device, gatedStore(store, gate), task)();
    assert.ok(E.isLeft(result) && result.left.type === "TaskFailed", JSON.stringify(result));
    assert.deepEqual((await eventsOf(store)).slice(-5).map(({ type }) => type), [
      "SnapshotTaken",
      "StepTaken",
      "EpochCompleted",
      "StepTaken",
      "RunFailed",
    ]);
  },
);

backendTest(
  "cpu",
  "a pruned snapshot is not stored again when its step is recomputed",
  async (device) => {
    const store = memoryStore();
    await train(device, store, goldenTask, {}, [], diesAfter(5))().catch(() => {});
    const events = await eventsOf(store);
    const taken = events.find((event) => event.type === "SnapshotTaken");
    assert.ok(taken?.type === "SnapshotTaken");
    const { step, snapshot } = taken.data;
    const writer = await right(store.log.open("a"));
    const pruned: RunEvent = { type: "SnapshotPruned", data: { step, snapshot } };
    await right(writer.append([pruned], events.length));
    await right(writer.close());
    await right(store.snapshots.collect(() => () => Promise.resolve(E.right(liveOnly([])))));
    const { state } = await right(train(device, store));
    assert.deepEqual(state.snapshots.map(({ step }) => step), [6, 9, 12]);
    assert.ok(!(await right(store.snapshots.list())).includes(snapshot));
    const facts = (await eventsOf(store)).filter(isTrainingFact);
    assert.deepEqual(facts, await eventsOf(await leftAlone(device)));
  },
);

function train(
  device: Device,
  store: Store,
  task: Task = goldenTask,
  options: TrainOptions = {},
  notices: Notice[] = [],
  onNotice: (notice: Notice) => void = () => {},
): TaskEither<RunError, RunOutcome> {
  const report = (notice: Notice) => {
    notices.push(notice);
    onNotice(notice);
  };
  return trainRun({ store, device, reporter: { report } }, "a", task, options);
}

/** A store in which the run was never disturbed. */
async function leftAlone(device: Device): Promise<Store> {
  const store = memoryStore();
  await right(train(device, store));
  return store;
}

/** A reporter that throws, as a process might die, when a step is recorded. */
function diesAfter(step: number): (notice: Notice) => void {
  return (notice) => {
    if (notice.type === "Step" && notice.step === step) throw new Error("dies");
  };
}

/** A gate that is shut for one step until it is opened. */
function closedGate(shut: number): { readonly gate: Gate; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const gate: Gate = async (step) => {
    if (step === shut) await promise;
    return undefined;
  };
  return { gate, open: resolve };
}

/** The task, and how many batches it was asked for. */
function watchedTask(task: Task): { readonly task: Task; readonly batches: () => number } {
  let batches = 0;
  const at: Task["data"]["at"] = (samples) => {
    batches++;
    return task.data.at(samples);
  };
  return { task: { ...task, data: { ...task.data, at } }, batches: () => batches };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let time = 0; time < 500; time++) {
    if (await holds()) return;
    await pause(10);
  }
  assert.fail("it never came to that");
}

async function pause(milliseconds: number): Promise<undefined> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function eventsOf(store: Store): Promise<readonly RunEvent[]> {
  return (await right(store.log.read("a"))).events.map(({ event }) => event);
}

function stepsOf(events: readonly RunEvent[]): readonly number[] {
  return events.flatMap((event) => event.type === "StepTaken" ? [event.data.step] : []);
}

function isSnapshotOf(event: RunEvent, step: number): boolean {
  return event.type === "SnapshotTaken" && event.data.step === step;
}

const right = orThrow;
