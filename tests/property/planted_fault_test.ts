import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import * as TE from "fp-ts/TaskEither.js";
import {
  arraySource,
  type BatchSource,
  defaultConfig,
  defineTask,
  dense,
  type Device,
  type Divergence,
  dropout,
  foldIn,
  type HostTensor,
  key,
  memoryStore,
  normal,
  type Optimizer,
  optimizerOf,
  orThrow,
  replayRun,
  type RngKey,
  type RunConfig,
  type RunError,
  type RunEvent,
  scheduleOf,
  sgd,
  type Snapshot,
  type SnapshotError,
  type Store,
  type Task,
  trainRun,
} from "foldlog";
import { canonicalJson, encodeEvent } from "foldlog/codec";
import * as tf from "foldlog/tf";
import { backendTest, leaksNothing } from "../support/backends.ts";
import { killedAfter, RUN } from "../support/hazard_runs.ts";
import { propertySeed } from "../support/small_tasks.ts";

/** Snapshots are taken at 4, 8 and 12; a run that is lost after step 10 is resumed from step 8. */
const CONFIG = {
  seed: 7,
  steps: { max: 12 },
  batch: { size: 4, micro: 4, grain: 0 },
  optimizer: {
    name: "adamw",
    learningRate: 0.05,
    weightDecay: 0.1,
    momentum: 0,
    nesterov: false,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
  },
  schedule: { name: "cosine", warmupSteps: 3, factor: 0.1, every: 1, steps: 0 },
  clip: { norm: 1, value: 0 },
  data: { shuffle: true },
  model: {},
  save: { ...defaultConfig.save, every: 4 },
  evaluate: { every: 0, batches: 0, patience: 0 },
  ema: { decay: 0 },
  fingerprint: { every: 0 },
  precision: "float32",
  lossScale: defaultConfig.lossScale,
} as const satisfies RunConfig;
const HEAD = 10;
const SAMPLES = 11;

backendTest(
  "cpu",
  "the task without a fault resumes, and is what the faults are told from",
  soundRun,
);
backendTest("webgpu", "the task without a fault resumes on webgpu as well", soundRun);

async function soundRun(device: Device): Promise<void> {
  const store = await lostAfter(device, soundTask(), HEAD);
  const { status } = await orThrow(trainRun({ store, device }, RUN, soundTask()));
  assert.equal(status, "completed");
  assert.deepEqual((await orThrow(replayRun({ store, device }, RUN, soundTask()))).problems, []);
}

for (const backend of ["cpu", "webgpu"] as const) {
  backendTest(
    backend,
    "a loss that counts its calls diverges at the first recomputed step",
    async (device) => {
      const store = await lostAfter(device, countingTask(), HEAD);
      const members = ["gradNorm", "loss"];
      await expectDiverged(device, store, countingTask(), { step: 9, members }); // as it went on counting
      calls = 0;
      await expectDiverged(device, store, countingTask(), { step: 9, members }); // as in a new process
      await expectFlawedReplay(device, store, countingTask(), 1);
    },
  );
}

backendTest("cpu", "a changed weight diverges at the first recomputed step", async (device) => {
  for (const path of ["0.weight", "0.bias", "1.weight", "1.bias"]) {
    const store = await lostAfter(device, soundTask(), HEAD);
    const changed = reading(store, 8, (snapshot) => withChanged(snapshot, "model", path));
    const members = ["gradNorm", "loss"];
    await expectDiverged(device, changed, soundTask(), { step: 9, members });
  }
});

backendTest(
  "cpu",
  "a fingerprint names the tensor and the step of a changed moment",
  async (device) => {
    // Without one, a moment of the first layer is found by what it makes of the loss, a step later.
    const task = { ...soundTask(), config: { ...CONFIG, fingerprint: { every: 1 } } };
    const store = await lostAfter(device, task, HEAD);
    const path = "mu.0.weight";
    const changed = reading(store, 8, (snapshot) => withChanged(snapshot, "optimizer", path));
    const result = await trainRun({ store: changed, device }, RUN, task)();
    assert.ok(E.isLeft(result) && result.left.type === "Diverged");
    const { step, leaves } = result.left;
    assert.equal(step, 9);
    assert.deepEqual(leaves, ["model/0.weight", `optimizer/${path}`]); // what the moment moved, and itself
  },
);

backendTest("cpu", "a changed moment diverges at the step after its first use", async (device) => {
  for (const path of ["mu.1.weight", "nu.0.bias"]) {
    const store = await lostAfter(device, soundTask(), HEAD);
    const changed = reading(store, 8, (snapshot) => withChanged(snapshot, "optimizer", path));
    const members = ["gradNorm", "loss"];
    await expectDiverged(device, changed, soundTask(), { step: 10, members });
  }
});

backendTest(
  "cpu",
  "a snapshot of another state is named, with the tensor that differs",
  async (device) => {
    const whole = memoryStore();
    const forging = writing(whole, 4, (snapshot) => withChanged(snapshot, "model", "1.weight"));
    await lostAfter(device, soundTask(), HEAD, forging);
    const report = await expectFlawedReplay(device, whole, soundTask(), 4);
    assert.match(report.message, /Tensors that differ: model\/1\.weight$/m);

    const unreadable = reading(whole, "all", () => undefined);
    const leaves = ["model/1.weight"];
    const members = ["snapshot", "state"];
    await expectDiverged(device, unreadable, soundTask(), { step: 4, members, leaves });
    await expectDiverged(device, reading(whole, 8, () => undefined), soundTask(), {
      step: 5,
      members: ["gradNorm", "loss"],
    });
  },
);

backendTest("cpu", "a snapshot that a pause took is compared like any other", async (device) => {
  const store = memoryStore();
  const forging = writing(
    store,
    6,
    (snapshot) => withChanged(snapshot, "optimizer", "mu.0.bias"),
  );
  const env = { store: forging, device };
  await orThrow(trainRun(env, RUN, soundTask(), { until: 6 }));
  const { message } = await expectFlawedReplay(device, store, soundTask(), 6);
  assert.match(message, /Tensors that differ: optimizer\/mu\.0\.bias$/m);
});

backendTest(
  "cpu",
  "a snapshot of the same state at another place in the data differs",
  async (device) => {
    const store = memoryStore();
    const cursor = { epoch: 3, index: 1 };
    await lostAfter(
      device,
      soundTask(),
      HEAD,
      writing(store, 4, (found) => ({ ...found, cursor })),
    );
    const { problems } = await orThrow(replayRun({ store, device }, RUN, soundTask()));
    const found = problems.map(({ type, step }) => [type, step]);
    assert.deepEqual(found, [["SnapshotDiffers", 4], ["Diverged", 4]]);
    assert.match(problems[0]!.message, /is of another place in the data/);
  },
);

backendTest(
  "cpu",
  "another batch is told from another state, at the step that used it",
  (device) =>
    fc.assert(
      fc.asyncProperty(
        fc.nat(HEAD - 1),
        fc.constantFrom(shifted, reversed),
        async (sound, fault) => {
          const store = await lostAfter(device, soundTask(), HEAD);
          const replayed = withNumbers(soundTask(), afterCalls(sound, fault));
          await expectFlawedReplay(device, store, replayed, sound + 1, /batch: recorded/);
          if (sound > 1) return;
          const resumed = withNumbers(soundTask(), afterCalls(sound, fault));
          const members = ["batch", "gradNorm", "loss"];
          await expectDiverged(device, store, resumed, { step: 9 + sound, members });
        },
      ),
      { seed: propertySeed(), numRuns: 20 },
    ),
);

backendTest(
  "cpu",
  "a batch that differs only where no loss looks is another batch",
  async (device) => {
    const store = await lostAfter(device, soundTask(), HEAD);
    const task = soundTask();
    const marked: Task = {
      ...task,
      data: {
        ...task.data,
        at: async (numbers) => {
          const batch = await task.data.at(numbers);
          return { ...batch, mark: { ...batch["mark"]!, data: Int32Array.from(numbers, () => 1) } };
        },
      },
    };
    await expectDiverged(device, store, marked, { step: 9, members: ["batch"] });
  },
);

backendTest(
  "cpu",
  "other data under the same name is refused before anything is computed",
  async (device) => {
    const store = await lostAfter(device, soundTask(), HEAD);
    const other = { ...soundTask(), data: points(8) };
    const error = await expectRefused(device, store, other);
    assert.equal(error.type, "DataDiffers");
  },
);

backendTest(
  "cpu",
  "a learning rate that is one step ahead diverges one step later",
  async (device) => {
    const store = await lostAfter(device, soundTask(), HEAD);
    const members = ["gradNorm", "loss"]; // not the rate that the log has: it is the schedule's
    await expectDiverged(device, store, { ...soundTask(), optimizer: hasty() }, {
      step: 10,
      members,
    });
    await expectFlawedReplay(device, store, { ...soundTask(), optimizer: hasty() }, 2);
  },
);

backendTest("cpu", "a fault that a resume could not see is found by a replay", async (device) => {
  const store = await lostAfter(device, soundTask(), 9);
  const faulty = { ...soundTask(), optimizer: hasty() };
  const { status } = await leaksNothing(() => orThrow(trainRun({ store, device }, RUN, faulty)));
  assert.equal(status, "completed"); // a step is recorded with the loss before its update
  await expectFlawedReplay(device, store, soundTask(), 10);
});

backendTest(
  "cpu",
  "an optimiser that starts cold diverges after its first update",
  async (device) => {
    const store = await lostAfter(device, soundTask(), HEAD);
    const members = ["gradNorm", "loss"];
    await expectDiverged(device, store, { ...soundTask(), optimizer: cold() }, {
      step: 10,
      members,
    });
  },
);

backendTest("cpu", "an optimiser or a model of another structure is refused", async (device) => {
  const store = await lostAfter(device, soundTask(), HEAD);
  const others: readonly Task[] = [
    { ...soundTask(), optimizer: sgd() },
    { ...soundTask(), optimizer: sgd({ momentum: 0.9 }) },
    { ...soundTask(), init: () => [layer(key(1), 2, 3), layer(key(2), 3, 1)] },
    { ...soundTask(), init: () => [layer(key(1), 2, 4)] },
  ];
  for (const other of others) {
    const error = await expectRefused(device, store, other);
    assert.equal(error.type, "StateDiffers");
  }
});

backendTest("cpu", "another dropout key diverges at the first recomputed step", async (device) => {
  const store = await lostAfter(device, soundTask(), HEAD);
  const members = ["gradNorm", "loss"];
  for (const other of [(key: RngKey) => foldIn(key, "other"), () => key(1)]) {
    const { loss } = soundTask();
    const task: Task = {
      ...soundTask(),
      loss: (params, batch, key) => loss(params, batch, other(key)),
    };
    await expectDiverged(device, store, task, { step: 9, members });
    await expectFlawedReplay(device, store, task, 1);
  }
});

backendTest("cpu", "another initial state diverges at step 0", async (device) => {
  const store = await lostAfter(device, soundTask(), 3);
  const other: Task = { ...soundTask(), init: () => initial(key(1)) };
  await expectDiverged(device, store, other, { step: 0, members: ["state"] });
  await expectFlawedReplay(device, store, other, 0);
});

backendTest(
  "cpu",
  "an event at the end that no recomputation makes is found by a replay",
  async (device) => {
    const evaluation = {
      type: "EvaluationTaken",
      data: { step: HEAD, loss: 0, samples: 4 },
    } as const;
    const completion = { type: "RunCompleted", data: { step: HEAD } } as const;
    for (const forged of [evaluation, completion]) {
      const store = await lostAfter(device, soundTask(), HEAD);
      const writer = await orThrow(store.log.open(RUN));
      await orThrow(writer.append([forged], writer.contents.events.length));
      await orThrow(writer.close());
      const report = await replayRun({ store, device }, RUN, soundTask())();
      assert.ok(E.isLeft(report) || !report.right.ok, `a replay took ${forged.type} for a fact`);
    }
  },
);

type Points = { readonly x: HostTensor; readonly y: HostTensor; readonly mark: HostTensor };
type Layer = { readonly weight: tf.Tensor2D; readonly bias: tf.Tensor1D };

/** A small network with dropout; `mark` is data that its loss does not use. */
function soundTask(): Task {
  return defineTask({
    name: "sound",
    config: CONFIG,
    data: points(5),
    init: (key) => initial(key),
    loss: ([first, second], { x, y }, key) => {
      const hidden = tf.tanh(dense(x as tf.Tensor2D, first.weight, first.bias));
      const output = dense(dropout(hidden, 0.25, key), second.weight, second.bias);
      return tf.mean(tf.square(tf.sub(output, y)));
    },
  });
}

function initial(key: RngKey): readonly [Layer, Layer] {
  return [layer(foldIn(key, 0), 2, 4), layer(foldIn(key, 1), 4, 1)];
}

function layer(key: RngKey, inputs: number, outputs: number): Layer {
  const weight = tf.tensor2d(normal(key, inputs * outputs), [inputs, outputs]);
  return { weight, bias: tf.zeros([outputs]) };
}

function points(seed: number): BatchSource<Points> {
  return arraySource("points", {
    x: { dtype: "float32", shape: [SAMPLES, 2], data: normal(key(seed), SAMPLES * 2) },
    y: { dtype: "float32", shape: [SAMPLES, 1], data: normal(key(seed + 1), SAMPLES) },
    mark: { dtype: "int32", shape: [SAMPLES], data: new Int32Array(SAMPLES) },
  });
}

let calls = 0;

/** The fault that no argument shows: its loss depends on how often it was computed in this process. */
function countingTask(): Task {
  const task = soundTask();
  return {
    ...task,
    loss: (params, batch, key) => tf.mul(task.loss(params, batch, key), 1 + calls++ / 100),
  };
}

/** Another source for the same data: `numbersOf` says which samples it gives in place of those asked for. */
function withNumbers(
  task: Task,
  numbersOf: (numbers: readonly number[]) => readonly number[],
): Task {
  const { data } = task;
  return { ...task, data: { ...data, at: (numbers) => data.at(numbersOf(numbers)) } };
}

function shifted(numbers: readonly number[]): readonly number[] {
  return numbers.map((number) => (number + 1) % SAMPLES);
}

function reversed(numbers: readonly number[]): readonly number[] {
  return numbers.toReversed();
}

/** The fault, but only after so many sound calls. */
function afterCalls(sound: number, fault: typeof shifted): typeof shifted {
  let left = sound;
  return (numbers) => left-- > 0 ? numbers : fault(numbers);
}

/** The config's optimiser, at the rate of the step after. */
function hasty(): Optimizer {
  const optimizer = optimizerOf(CONFIG);
  const schedule = scheduleOf(CONFIG);
  return {
    init: (params) => optimizer.init(params),
    update: (gradients, state, params, { step }) =>
      optimizer.update(gradients, state, params, { step, learningRate: schedule(step + 1) }),
  };
}

/** The config's optimiser, which forgets in a new process what it is given. */
function cold(): Optimizer {
  const optimizer = optimizerOf(CONFIG);
  let first = true;
  return {
    init: (params) => optimizer.init(params),
    update(gradients, state, params, context) {
      const given = first ? optimizer.init(params) : state;
      first = false;
      return optimizer.update(gradients, given, params, context);
    },
  };
}

/** A run whose process was killed when all of a step was done and nothing of the next. */
async function lostAfter(
  device: Device,
  task: Task,
  step: number,
  store: Store = memoryStore(),
): Promise<Store> {
  await killedAfter(device, store, task, step);
  return store;
}

/** The store, but it gives what `change` makes of the snapshot of a step; nothing where that is nothing. */
function reading(
  store: Store,
  step: number | "all",
  change: (snapshot: Snapshot) => Snapshot | undefined,
): Store {
  const { snapshots } = store;
  const get: typeof snapshots.get = (id) =>
    TE.chain((snapshot: Snapshot): TE.TaskEither<SnapshotError, Snapshot> => {
      if (step !== "all" && snapshot.step !== step) return TE.right(snapshot);
      const changed = change(snapshot);
      if (changed !== undefined) return TE.right(changed);
      return TE.left({ type: "SnapshotMissing", id, place: "test" });
    })(snapshots.get(id));
  return { ...store, snapshots: { ...snapshots, get } };
}

/** The store, but it keeps what `change` makes of the snapshot of a step, and says so of its digests. */
function writing(store: Store, step: number, change: (snapshot: Snapshot) => Snapshot): Store {
  const { snapshots } = store;
  const put: typeof snapshots.put = (run, snapshot) =>
    snapshots.put(run, snapshot.step === step ? change(snapshot) : snapshot);
  return { ...store, snapshots: { ...snapshots, put } };
}

/** The snapshot with another first element in one of its tensors. */
function withChanged(snapshot: Snapshot, group: string, path: string): Snapshot {
  const tensors = snapshot.groups[group]!;
  const tensor = tensors.get(path);
  assert.ok(tensor, `expected one of ${[...tensors.keys()]}, found ${path}`);
  const data = Float32Array.from(tensor.data);
  data[0]! += 0.5;
  const changed = new Map(tensors).set(path, { ...tensor, data });
  return { ...snapshot, groups: { ...snapshot.groups, [group]: changed } };
}

/** Resuming stops at the first event that differs, says in what, and leaves the run as it was. */
async function expectDiverged(
  device: Device,
  store: Store,
  task: Task,
  expected: Pick<Divergence, "step" | "members"> & Partial<Pick<Divergence, "leaves">>,
): Promise<void> {
  const error = await expectRefused(device, store, task);
  assert.equal(error.type, "Diverged");
  const { step, members, leaves } = error;
  assert.deepEqual({ step, members, leaves }, { leaves: [], ...expected });
}

async function expectRefused(
  device: Device,
  store: Store,
  task: Task,
): Promise<RunError> {
  const before = await contentsOf(store);
  const result = await leaksNothing(() => trainRun({ store, device }, RUN, task)());
  assert.deepEqual(await contentsOf(store), before, "a refused resume wrote to the store");
  assert.ok(E.isLeft(result), "the fault was not noticed");
  return result.left;
}

/** A replay names the first step that differs, and writes nothing. */
async function expectFlawedReplay(
  device: Device,
  store: Store,
  task: Task,
  step: number,
  message = /recomputed/,
) {
  const before = await contentsOf(store);
  const report = await leaksNothing(() => orThrow(replayRun({ store, device }, RUN, task)));
  assert.deepEqual(await contentsOf(store), before, "a replay wrote to the store");
  assert.equal(report.ok, false);
  const [problem, ...more] = report.problems;
  assert.deepEqual([problem?.type, problem?.step, more], ["Diverged", step, []]);
  assert.match(problem!.message, message);
  return problem!;
}

async function contentsOf(store: Store) {
  const { events } = await orThrow(store.log.read(RUN));
  const lines = events.map(({ event }: { readonly event: RunEvent }) =>
    canonicalJson(encodeEvent(event))
  );
  return { lines, snapshots: await orThrow(store.snapshots.list()) };
}
