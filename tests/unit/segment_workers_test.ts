import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  describeError,
  type Device,
  fileStore,
  type Notice,
  orThrow,
  type ReplayOptions,
  replayRun,
  type RunError,
  segmentWorkers,
  type SegmentWorkersOptions,
  type Store,
  trainRun,
  type VerifyReport,
} from "foldlog";
import { backendTest } from "../support/backends.ts";
import { forged, otherLoss } from "../support/forged.ts";
import { tenSteps, trained } from "../support/ten_steps.ts";

const TASK = { module: import.meta.resolve("../support/ten_steps.ts"), export: "tenSteps" };
const odd = (name: string) => ({
  module: import.meta.resolve("../support/odd_tasks.ts"),
  export: name,
});

for (const backend of ["cpu", "wasm"] as const) {
  backendTest(backend, "two workers find what this thread finds", async (device) => {
    await using place = await makePlace();
    await orThrow(trainRun({ store: place.store, device }, "a", tenSteps));
    const alone = await replayed(device, place);
    assert.deepEqual([alone.ok, alone.replay?.segments.length], [true, 5]);
    assert.deepEqual(await replayed(device, place, { count: 2, backend }), alone);
  });
}

backendTest("cpu", "a difference comes back from a worker whole", async (device) => {
  await using place = await makePlace();
  await forged(await trained(device), otherLoss(3, 7), place.store);
  const alone = await replayed(device, place);
  assert.deepEqual(alone.problems.map(({ type, step }) => [type, step]), [["Diverged", 3]]);
  assert.deepEqual(await replayed(device, place, { count: 2 }), alone);
});

backendTest(
  "cpu",
  "one worker recomputes all, and tells of each step and segment",
  async (device) => {
    await using place = await makePlace();
    await orThrow(trainRun({ store: place.store, device }, "a", tenSteps));
    const alone: Notice[] = [];
    await replayed(device, place, { report: (notice) => alone.push(notice) });
    const beside: Notice[] = [];
    await replayed(device, place, { count: 1, report: (notice) => beside.push(notice) });
    assert.deepEqual(beside, alone);
    assert.equal(beside.filter(({ type }) => type === "Step").length, 10);
    assert.equal(beside.filter(({ type }) => type === "SegmentReplayed").length, 5);
  },
);

backendTest(
  "cpu",
  "more workers than segments do no harm, and a sample is what it is without them",
  async (device) => {
    await using place = await makePlace();
    await orThrow(trainRun({ store: place.store, device }, "a", tenSteps));
    const options = { to: 4, sample: { count: 1, draw: () => 1 } };
    const alone = await replayed(device, place, { options });
    assert.deepEqual(alone.replay?.segments.map(({ from, to }) => [from, to]), [[2, 4]]);
    assert.deepEqual(await replayed(device, place, { count: 3, options }), alone);
  },
);

backendTest("cpu", "a worker's task can be made of the run's config and name", async (device) => {
  await using place = await makePlace();
  await orThrow(trainRun({ store: place.store, device }, "a", tenSteps));
  assert.equal((await replayed(device, place, { count: 1, task: odd("makesTask") })).ok, true);
});

backendTest("cpu", "a task that no worker can have is refused, with the reason", async (device) => {
  await using place = await makePlace();
  await orThrow(trainRun({ store: place.store, device }, "a", tenSteps));
  const missing = new URL("there_is_no_such_module.ts", import.meta.url).href;
  for (
    const [task, reason] of [
      [{ module: missing, export: "task" }, /Module not found/],
      [odd("notThere"), /there is none/],
      [odd("notATask"), /another value/],
    ] as const
  ) {
    const error = await failed(device, place, { task });
    assert.equal(error.type, "TaskUnusable");
    assert.match(describeError(error), reason);
    assert.ok(describeError(error).includes(task.module));
  }
  const refused = await failed(device, place, { task: odd("refuses") });
  assert.ok(refused.type === "NoTask" && refused.message === "no such model");
});

backendTest(
  "cpu",
  "a worker that throws, ends or falls over fails the replay, and holds nothing up",
  async (device) => {
    await using place = await makePlace();
    await orThrow(trainRun({ store: place.store, device }, "a", tenSteps));
    const threw = await failed(device, place, { task: odd("throws") });
    assert.ok(threw.type === "TaskFailed" && /division by zero/.test(threw.message));
    const ended = await failed(device, place, { task: odd("leaves") });
    assert.equal(ended.type, "WorkerFailed");
    assert.match(describeError(ended), /steps \d+ to \d+ of run "a" failed: .*exit code/);
    const fell = await failed(device, place, { task: odd("fallsOver") });
    assert.equal(fell.type, "WorkerFailed");
    assert.match(describeError(fell), /a timer of the task threw/);
  },
);

backendTest("cpu", "workers that are closed end what they do", async (device) => {
  await using place = await makePlace();
  await orThrow(trainRun({ store: place.store, device }, "a", tenSteps));
  const workers = segmentWorkers({ ...meansOf(place), task: odd("hangs"), count: 2 });
  const begun = Promise.withResolvers<void>();
  const report = ({ type }: Notice) => type === "Replaying" && begun.resolve();
  const env = { store: place.store, device, reporter: { report } };
  const replaying = replayRun(env, "a", tenSteps, { workers })();
  await begun.promise;
  await workers.close();
  const result = await replaying;
  assert.ok(E.isLeft(result) && result.left.type === "WorkerFailed");
  const later = await workers.replay("a", { number: 1, from: 0, to: 2, end: 3 })();
  assert.ok(E.isLeft(later) && /are closed/.test(describeError(later.left)));
});

Deno.test("workers are one or more, and say where there is no such run", async () => {
  await using place = await makePlace();
  assert.throws(() => segmentWorkers({ ...meansOf(place), count: 0 }), RangeError);
  const workers = segmentWorkers({ ...meansOf(place), count: 1 });
  const segment = { number: 1, from: 0, to: 1, end: 2 };
  const result = await workers.replay("none", segment)();
  await workers.close();
  assert.ok(E.isLeft(result) && result.left.type === "RunMissing");
});

/** A file store in a directory of its own, which is removed in the end. */
interface Place extends AsyncDisposable {
  readonly root: string;
  readonly store: Store;
}

async function makePlace(): Promise<Place> {
  const root = await Deno.makeTempDir();
  return {
    root,
    store: fileStore(root),
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

/** How a run is replayed: by `count` workers, or without any in this thread. */
interface Means extends Partial<Omit<SegmentWorkersOptions, "root">> {
  readonly options?: ReplayOptions;
  readonly report?: (notice: Notice) => void;
}

function meansOf({ root }: Place): SegmentWorkersOptions {
  return { root, backend: "cpu", task: TASK, count: 1 };
}

async function replay(device: Device, place: Place, means: Means) {
  const { options, report = () => {}, ...given } = means;
  const workers = given.count === undefined
    ? undefined
    : segmentWorkers({ ...meansOf(place), ...given });
  const env = { store: place.store, device, reporter: { report } };
  try {
    return await replayRun(env, "a", tenSteps, { ...options, ...(workers && { workers }) })();
  } finally {
    await workers?.close();
  }
}

function replayed(device: Device, place: Place, means: Means = {}): Promise<VerifyReport> {
  return orThrow(() => replay(device, place, means));
}

async function failed(device: Device, place: Place, means: Means): Promise<RunError> {
  const result = await replay(device, place, { count: 2, ...means });
  assert.ok(E.isLeft(result), "a worker had its task all the same");
  return result.left;
}
