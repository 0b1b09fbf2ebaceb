import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import * as TE from "fp-ts/TaskEither.js";
import {
  bytesOf,
  defaultConfig,
  type Device,
  evolve,
  grainOf,
  initialState,
  isStep,
  isTrainingFact,
  memoryStore,
  type Notice,
  orThrow,
  project,
  replayRun,
  type RunError,
  type RunEvent,
  type RunOutcome,
  runState,
  type Snapshot,
  type SnapshotId,
  type SnapshotTaken,
  type Store,
  type Task,
  type TrainOptions,
  trainRun,
  verifyRun,
} from "foldlog";
import { canonicalJson, encodeEvent } from "foldlog/codec";
import { backendTest, leaksNothing } from "../support/backends.ts";
import {
  dyingStore,
  Killed,
  losingStore,
  type Operation,
  stepOfEvent,
} from "../support/dying_store.ts";
import { lateDevice, oddDelays } from "../support/late_device.ts";
import { propertySeed, type SmallTask, smallTasks, taskOf } from "../support/small_tasks.ts";

const RUN = "run";

/**
 * How a run is interrupted.
 *
 * "paused" has trainRun pause, "signalled" aborts it at the report of a step, "failed" has the task's
 * own code throw. "lost" is a kill: at one operation everything stops, whatever the process does
 * afterwards has no effect, and the next process finds what had taken effect until then.
 */
type Interruption =
  & {
    readonly place: Place;
    /** Snapshots that are gone afterwards, though the log names them. */
    readonly loses: "nothing" | "newest" | "all";
    /** Whether the library verifies and replays the run as the interruption leaves it. */
    readonly audit: boolean;
  }
  & (
    | { readonly kind: "paused" | "signalled" | "failed" }
    | { readonly kind: "lost"; readonly operation: Operation; readonly effect: Effect }
  );

/** A step: that of the n-th event of a type in the uninterrupted run, counted round, and some more. */
interface Place {
  readonly event: RunEvent["type"] | "Interruption";
  readonly n: number;
  readonly later: number;
}

/** How much of the operation took effect before the process died; of an append maybe a part. */
type Effect = "none" | "part" | "whole";

const places: fc.Arbitrary<Place> = fc.record({
  event: fc.constantFrom<Place["event"]>(
    "RunStarted", // step 0
    "StepTaken",
    "StepTaken",
    "StepSkipped",
    "EpochCompleted",
    "EvaluationTaken",
    "SnapshotTaken",
    "RunCompleted", // the last step
    "Interruption", // the step of the interruption before
  ),
  n: fc.nat(30),
  later: fc.constantFrom(0, 0, 0, 1),
});

const common = {
  place: places,
  loses: fc.constantFrom<Interruption["loses"]>("nothing", "nothing", "nothing", "newest", "all"),
  audit: fc.nat(5).map((n) => n === 5),
};
const lost = fc.record({
  kind: fc.constant("lost" as const),
  operation: fc.constantFrom<Operation>(
    "append",
    "append",
    "append",
    "put",
    "put",
    "report",
    "report",
    "open",
    "get",
  ),
  effect: fc.constantFrom<Effect>("none", "part", "whole"),
  ...common,
});
const stopped = fc.record({
  kind: fc.constantFrom<"paused" | "signalled" | "failed">("paused", "signalled", "failed"),
  ...common,
});
const seed = propertySeed();
const decoys = smallTasks({ maxSteps: 2, maxMicroBatches: 1 });

/** A task with everything: evaluations, epochs and snapshots end together, and apart. */
const ordinary: SmallTask = {
  model: "mlp",
  width: 4,
  samples: 5,
  heldOut: 5,
  dropout: 0.25,
  anchored: false,
  frozen: false,
  sampled: true,
  config: {
    seed: 1,
    steps: { max: 6 },
    batch: { size: 4, micro: 2, grain: 1 },
    optimizer: { ...defaultConfig.optimizer, learningRate: 0.1 },
    schedule: { ...defaultConfig.schedule, name: "cosine", warmupSteps: 2 },
    clip: { norm: 1, value: 0 },
    data: { shuffle: true },
    save: { every: 2, maxReplaySeconds: 0, maxOverhead: 0.02 },
    evaluate: { every: 2, batches: 2, patience: 0 },
    ema: { decay: 0.5 },
    fingerprint: { every: 2 },
    precision: "mixed_float16",
    lossScale: { initial: 2 ** 24, growthInterval: 2 },
  },
};

const CLAIM = "a run interrupted anywhere is, bit for bit, the run that was not";
backendTest("cpu", CLAIM, (device) => {
  const cases = fc.tuple(smallTasks(), decoys, interruptions(3));
  return expectEqualRuns(device, cases, 220);
});
backendTest("cpu", `${CLAIM}, where reads end late and in odd order`, (device) => {
  const cases = fc.tuple(smallTasks({ maxSteps: 8 }), decoys, interruptions(2));
  return expectEqualRuns(lateDevice(device, 3, oddDelays), cases, 60);
});
backendTest("wasm", CLAIM, (device) => {
  const cases = fc.tuple(smallTasks({ maxSteps: 8 }), decoys, interruptions(2));
  return expectEqualRuns(device, cases, 60);
});
backendTest("webgpu", CLAIM, (device) => { // a software adapter takes a tenth of a second a step
  const tasks = smallTasks({ maxSteps: 4, maxMicroBatches: 2 });
  const decoys = smallTasks({ models: ["line"], maxSteps: 1, maxMicroBatches: 1 });
  return expectEqualRuns(device, fc.tuple(tasks, decoys, interruptions(1)), 20);
});

backendTest(
  "cpu",
  "a log that ends after any of its events replays, and resumes",
  async (device) => {
    const whole = memoryStore();
    await orThrow(train(device, whole, ordinary));
    const events = await eventsOf(whole);
    for (let kept = 1; kept <= events.length; kept++) {
      const store = memoryStore();
      const writer = await orThrow(store.log.open(RUN));
      await orThrow(writer.append(events.slice(0, kept), 0));
      await orThrow(writer.close());
      for (const { data } of snapshotsOf(events.slice(0, kept))) {
        const snapshot = await orThrow(whole.snapshots.get(data.snapshot));
        await orThrow(store.snapshots.put(RUN, snapshot));
      }
      const { sampleFiles = [] } = project(runState, events.slice(0, kept));
      const samples = sampleFiles.map((digest) => orThrow(whole.sources.get(digest)));
      (await orThrow(store.sources.put(await Promise.all(samples)))).release();
      await expectIntact(device, store, ordinary);
      await leaksNothing(() => orThrow(train(device, store, ordinary)));
      assert.deepEqual(lines(await eventsOf(store)), lines(events));
    }
  },
);

backendTest(
  "cpu",
  "every grain has a key of its own, the same after a resume",
  (device) =>
    fc.assert(
      fc.asyncProperty(smallTasks({ maxSteps: 8 }), fc.nat(8), async (drawn, until) => {
        const evaluate = { ...drawn.config.evaluate, patience: 0 }; // so that all steps are taken
        const small = { ...drawn, config: { ...drawn.config, evaluate } };
        const whole = await keysOf(device, small, [{}]);
        const { steps, batch } = small.config;
        assert.equal(new Set(whole).size, steps.max * batch.size / grainOf(small.config));
        assert.deepEqual(await keysOf(device, small, [{ until }, {}]), whole);
      }),
      { seed, numRuns: 30 },
    ),
);

backendTest(
  "cpu",
  "pausing at a step that is past is refused, and changes nothing",
  async (device) => {
    const store = memoryStore();
    await orThrow(train(device, store, ordinary, { until: 5 }));
    const before = await contentsOf(store);
    for (const until of [0, 4]) {
      const result = await train(device, store, ordinary, { until })();
      assert.ok(E.isLeft(result) && result.left.type === "StepPassed");
    }
    await orThrow(train(device, store, ordinary, { until: 5 })); // it is there already
    assert.deepEqual(await contentsOf(store), before);
  },
);

/** As many in a run at the most; half of the lists are of kills alone. */
function interruptions(maxLength: number): fc.Arbitrary<readonly Interruption[]> {
  return fc.oneof(
    fc.array<Interruption>(lost, { minLength: 1, maxLength }),
    fc.array<Interruption>(fc.oneof(stopped, lost), { minLength: 1, maxLength }),
  );
}

type Case = readonly [small: SmallTask, decoy: SmallTask, list: readonly Interruption[]];

function expectEqualRuns(device: Device, cases: fc.Arbitrary<Case>, numRuns: number) {
  const property = fc.asyncProperty(cases, (input) => expectEqualRun(device, ...input));
  return fc.assert(property, { seed, numRuns });
}

/**
 * Trains a task without an interruption, and with some; then compares events, steps and tensors, and
 * has both checked by the library itself. Between any two sessions an unrelated run is trained, which
 * disturbs whatever is kept outside the store.
 */
async function expectEqualRun(
  device: Device,
  small: SmallTask,
  decoy: SmallTask,
  list: readonly Interruption[],
): Promise<void> {
  const whole = memoryStore();
  await leaksNothing(() => orThrow(trainRun({ store: whole, device }, RUN, taskOf(small))));
  const expected = await eventsOf(whole);

  const { store, lost, lose } = lossyStore();
  let step = 0;
  for (const interruption of list) {
    step = stepOf(interruption.place, expected, step);
    const before = lines(await eventsOf(store));
    await leaksNothing(() => interrupt(device, store, small, step, interruption));
    const events = await eventsOf(store);
    assert.deepEqual(lines(events).slice(0, before.length), before, "history was edited");
    lose(interruption.loses, events);
    if (interruption.audit && events.length > 0) await expectIntact(device, store, small, lost);
    await leaksNothing(() => orThrow(train(device, memoryStore(), decoy)));
  }
  const { status } = await leaksNothing(() => orThrow(train(device, store, small)));
  assert.equal(status, "completed");

  const actual = await eventsOf(store);
  const onlyLost = list.every(({ kind }) => kind === "lost");
  const kept = onlyLost ? () => true : isTrainingFact;
  assert.deepEqual(lines(actual.filter(kept)), lines(expected.filter(kept)));
  const steps = actual.filter(isStep).map(stepOfEvent);
  const { patience } = small.config.evaluate;
  const last = patience > 0 ? expected.reduce(evolve, initialState).step : small.config.steps.max;
  assert.deepEqual(steps, Array.from({ length: last }, (_, n) => n + 1));
  lost.clear();
  await expectEqualSnapshots(store, whole);
  await expectIntact(device, store, small);
}

/** Trains until the interruption; a run that is complete before that is none the worse. */
async function interrupt(
  device: Device,
  store: Store,
  small: SmallTask,
  step: number,
  interruption: Interruption,
): Promise<void> {
  const before = await eventsOf(store);
  switch (interruption.kind) {
    case "paused": {
      const head = before.reduce(evolve, initialState);
      const result = await train(device, store, small, { until: step })();
      if (head.step > step && head.status !== "completed") {
        assert.ok(E.isLeft(result) && result.left.type === "StepPassed");
        return assert.deepEqual(lines(await eventsOf(store)), lines(before));
      }
      assert.ok(E.isRight(result));
      const { state } = result.right;
      return assert.equal(state.snapshots.at(-1)?.step, state.step, "nothing was saved");
    }
    case "signalled": {
      const abort = new AbortController();
      if (step === 0) abort.abort();
      const { status } = await orThrow(
        train(device, store, small, { stop: abort.signal }, (notice) => {
          if (stepOfNotice(notice) >= step) abort.abort();
        }),
      );
      if (status === "stopped") assert.deepEqual(lines(await eventsOf(store)), lines(before));
      return;
    }
    case "failed": {
      const result = await trainRun({ store, device }, RUN, failing(taskOf(small), step))();
      if (E.isRight(result)) return;
      assert.equal(result.left.type, "TaskFailed");
      const after = await eventsOf(store);
      const { status } = after.reduce(evolve, initialState);
      return assert.ok(status === "failed" || after.length === before.length);
    }
    case "lost": {
      const { operation, effect } = interruption;
      const mortal = dyingStore(store, { operation, effect, step });
      const dying = train(device, mortal.store, small, {}, mortal.report)();
      const result = await dying.catch((error) => {
        if (!(error instanceof Killed)) throw error;
      });
      if (result === undefined || E.isRight(result)) return;
      assert.match(result.left.type, /^(Log|Snapshots)Unavailable$/);
    }
  }
}

/** The call that begins a run and continues it, as a new process would make it. */
function train(
  device: Device,
  store: Store,
  small: SmallTask,
  options: TrainOptions = {},
  report: (notice: Notice) => void = () => {},
): TE.TaskEither<RunError, RunOutcome> {
  return trainRun({ store, device, reporter: { report } }, RUN, taskOf(small), options);
}

/** The keys that the loss was computed with, over calls with these options one after the other. */
async function keysOf(device: Device, small: SmallTask, calls: readonly TrainOptions[]) {
  const keys: string[] = [];
  const store = memoryStore();
  for (const options of calls) {
    const task = taskOf(small);
    const watched: Task = {
      ...task,
      loss(params, batch, key) {
        keys.push(`${key.hi}:${key.lo}`);
        return task.loss(params, batch, key);
      },
    };
    await orThrow(trainRun({ store, device }, RUN, watched, options));
  }
  return keys;
}

/** The task, but its data (for odd numbers its loss) throws after so many calls. */
function failing(task: Task, calls: number): Task {
  let left = calls;
  const mayThrow = () => {
    if (left-- === 0) throw new Error("planted");
  };
  if (calls % 2 === 1) {
    return {
      ...task,
      loss(...args) {
        mayThrow();
        return task.loss(...args);
      },
    };
  }
  const at: Task["data"]["at"] = (samples) => {
    mayThrow();
    return task.data.at(samples);
  };
  return { ...task, data: { ...task.data, at } };
}

/** A memory store that can lose snapshots that its logs name, until it is asked to find them again. */
function lossyStore() {
  const lost = new Set<SnapshotId>();
  function lose(what: Interruption["loses"], events: readonly RunEvent[]): void {
    const count = { nothing: 0, newest: 1, all: events.length }[what];
    for (const { data } of snapshotsOf(events).toReversed().slice(0, count)) {
      lost.add(data.snapshot);
    }
  }

  return { store: losingStore(memoryStore(), lost), lost, lose };
}

/** Both logs' last snapshots hold the same bytes, tensor by tensor. */
async function expectEqualSnapshots(actual: Store, expected: Store): Promise<void> {
  const [a, b] = await Promise.all([actual, expected].map(async (store) => {
    const { snapshot, state } = snapshotsOf(await eventsOf(store)).at(-1)!.data;
    return { state, snapshot: await orThrow(store.snapshots.get(snapshot)) };
  }));
  assert.equal(a!.state, b!.state);
  assert.deepEqual(a!.snapshot.cursor, b!.snapshot.cursor);
  assert.deepEqual(bytesByPath(a!.snapshot), bytesByPath(b!.snapshot));
}

function bytesByPath({ groups }: Snapshot) {
  return Object.entries(groups).flatMap(([group, tensors]) =>
    [...tensors].map(([path, tensor]) => [group, path, tensor.shape, bytesOf(tensor).toHex()])
  );
}

/** The chain, the history, every snapshot that is not missing and every step are as they should be. */
async function expectIntact(
  device: Device,
  store: Store,
  small: SmallTask,
  missing: ReadonlySet<SnapshotId> = new Set(),
): Promise<void> {
  const events = await eventsOf(store);
  const before = await contentsOf(store);
  const unreadable = snapshotsOf(events).filter(({ data }) => missing.has(data.snapshot))
    .map(({ data }) => `SnapshotUnreadable at ${data.step}`);
  for (const check of [verifyRun(store, RUN), replayRun({ store, device }, RUN, taskOf(small))]) {
    const report = await leaksNothing(() => orThrow(check));
    const problems = report.problems.map(({ type, step }) => `${type} at ${step}`);
    assert.deepEqual(problems, unreadable, String(report.problems[0]?.message));
    assert.equal(report.ok, unreadable.length === 0);
    if (report.replay === undefined) continue;
    const recomputed = events.filter((event) =>
      isTrainingFact(event) ? !/^Run/.test(event.type) : event.type === "SnapshotTaken"
    );
    assert.ok(report.replay.compared >= recomputed.length, "an event was not compared");
  }
  assert.deepEqual(await contentsOf(store), before, "a check wrote to the store");
}

/** What a check must leave as it was. */
async function contentsOf(store: Store) {
  const { events } = await orThrow(store.log.read(RUN));
  return { log: events.at(-1)?.digest, snapshots: await orThrow(store.snapshots.list()) };
}

async function eventsOf(store: Store): Promise<readonly RunEvent[]> {
  const { events } = await orThrow(store.log.read(RUN));
  return events.map(({ event }) => event);
}

function lines(events: readonly RunEvent[]): readonly string[] {
  return events.map((event) => canonicalJson(encodeEvent(event)));
}

function snapshotsOf(events: readonly RunEvent[]): readonly SnapshotTaken[] {
  return events.filter((event) => event.type === "SnapshotTaken");
}

/** The step that a place is at, given the uninterrupted run and the step of the interruption before. */
function stepOf({ event, n, later }: Place, run: readonly RunEvent[], previous: number): number {
  if (event === "Interruption") return previous + later;
  const found = run.filter(({ type }) => type === event);
  const steps = found.map(stepOfEvent);
  return (steps[n % steps.length] ?? n % run.length) + later;
}

function stepOfNotice(notice: Notice): number {
  return "step" in notice ? notice.step : 0;
}
