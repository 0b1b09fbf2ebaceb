import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import * as TE from "fp-ts/TaskEither.js";
import {
  adamw,
  defineTask,
  type Device,
  emaOf,
  foldIn,
  type HostTensor,
  isStep,
  mapTree,
  memoryStore,
  normal,
  type Notice,
  type Optimizer,
  orThrow,
  type PartialConfig,
  replayRun,
  runSummary,
  type Snapshot,
  type Store,
  type Task,
  trainRun,
  type Tree,
  type UpdateContext,
} from "foldlog";
import * as tf from "foldlog/tf";
import { backendTest, leaksNothing } from "../support/backends.ts";
import {
  dataOf,
  eventsOf,
  expectRefused,
  expectSame,
  factsOf,
  hazardTask,
  killedAfter,
  points,
  RUN,
  SAMPLES,
  STEPS,
  train,
  trained,
} from "../support/hazard_runs.ts";

// How a schedule, an optimiser or a state goes wrong at a resume, by the numbers of
// docs/determinism.md.

const EVERY_STEP = Array.from({ length: STEPS - 1 }, (_, index) => index + 1);

/** Half a cosine from 0.4 down to 0.04 in 8 steps, after a warm-up of 4, in numbers of its own. */
const RATES = EVERY_STEP.concat(STEPS).map((step) => {
  const done = step - 1; // updates before this one
  return done < 4 ? done / 10 : 0.04 + 0.36 * (1 + Math.cos(Math.PI * (done - 4) / 8)) / 2;
});
const SCHEDULED: PartialConfig = {
  optimizer: { learningRate: 0.4 },
  schedule: { name: "cosine", warmupSteps: 4, factor: 0.1 },
};

backendTest(
  "cpu",
  "hazard 17: a resume at any step, in the warm-up too, goes on with the rate whose turn it is",
  async (device) => {
    await expectSame(device, () => hazardTask(SCHEDULED), EVERY_STEP);
    for (const steps of [[], [2], [4], EVERY_STEP]) {
      const used: UpdateContext[] = [];
      const make = () => noting(hazardTask(SCHEDULED), used);
      const store = await trained(device, make, steps);
      assert.deepEqual(used.map(({ step }) => step), RATES.map((_, step) => step));
      expectRates(used.map(({ learningRate }) => learningRate));
      expectRates((await dataOf(store, "StepTaken")).map(({ learningRate }) => learningRate));
    }
  },
);

backendTest(
  "cpu",
  "hazard 18: the schedule counts updates, however many passes each of them takes",
  async (device) => {
    for (const micro of [6, 3, 2, 1]) {
      for (const steps of [[], [3, 8]]) {
        const make = () => hazardTask({ ...SCHEDULED, batch: { micro } });
        const store = await trained(device, make, steps);
        expectRates((await dataOf(store, "StepTaken")).map(({ learningRate }) => learningRate));
      }
    }
  },
);

backendTest(
  "cpu",
  "hazard 19: a changed setting is refused; those that nobody asks for are the recorded ones",
  async (device) => {
    const expected = await factsOf(await trained(device, () => hazardTask(SCHEDULED)));
    const store = memoryStore();
    await train(device, store, hazardTask(SCHEDULED), { until: 5 });
    const changes: readonly PartialConfig[] = [
      { optimizer: { learningRate: 0.3 } },
      { optimizer: { weightDecay: 0 } },
      { schedule: { warmupSteps: 5 } },
      { schedule: { name: "constant" } },
      { batch: { micro: 3 } },
      { clip: { norm: 0 } },
      { seed: 4 },
    ];
    for (const config of changes) {
      const refused = await trainRun({ store, device }, RUN, hazardTask(SCHEDULED), { config })();
      assert.ok(E.isLeft(refused) && refused.left.type === "ConfigDiffers", JSON.stringify(config));
      assert.equal(refused.left.changes.length, 1);
    }
    const { config: _, ...silent } = hazardTask();
    assert.equal(await train(device, store, silent), "completed");
    assert.deepEqual(await factsOf(store), expected);
  },
);

backendTest(
  "cpu",
  "hazard 20: moments find their parameters by name, in whatever order they are made or stored",
  async (device) => {
    const expected = await factsOf(await trained(device, () => twoVectors(["a", "b"])));
    const orders: (readonly string[])[] = [["a", "b"], ["b", "a"], ["b", "a"], ["a", "b"]];
    for (const stop of ["paused", "killed"] as const) {
      const left = [...orders];
      const store = changing(
        memoryStore(),
        (snapshot) => withTensors(snapshot, (all) => all.reverse()),
      );
      await trained(device, () => twoVectors(left.shift()!), [3, 6, 9], stop, store);
      assert.deepEqual(await factsOf(store), expected);
    }
    const store = memoryStore();
    await train(device, store, twoVectors(["a", "b"]), { until: 3 });
    await expectRefused(device, store, twoVectors(["a", "c"]), "StateDiffers");
  },
);

backendTest(
  "cpu",
  "hazard 21: without all of the optimiser's state nothing is resumed",
  async (device) => {
    const store = memoryStore();
    await train(device, store, hazardTask(), { until: 5 });
    const { snapshot } = (await dataOf(store, "SnapshotTaken")).at(-1)!;
    const { groups } = await orThrow(store.snapshots.get(snapshot));
    const paths = [...groups["optimizer"]!.keys()];
    assert.equal(paths.length, 2 * 4); // two moments of each parameter
    const losses = [
      ...paths.map((lost) => (found: Snapshot) =>
        withTensors(found, (all) => all.filter(([path]) => path !== lost))
      ),
      (found: Snapshot) => ({ ...found, groups: { model: found.groups["model"]! } }),
    ];
    for (const lose of losses) {
      await expectRefused(device, changing(store, lose), hazardTask(), "StateDiffers");
    }
    await train(device, store, hazardTask());
    assert.deepEqual(
      await factsOf(store),
      await factsOf(await trained(device, () => hazardTask())),
    );
  },
);

backendTest(
  "cpu",
  "hazard 23: a cache that each step changes is found by the next process, or by a replay",
  async (device) => {
    let mask = 1; // what belongs into the state, and is not there
    const make = (): Task => {
      const task = hazardTask();
      return {
        ...task,
        loss: (params, batch, key) => tf.mul(task.loss(params, batch, key), mask *= 0.99),
      };
    };
    const store = memoryStore();
    await killedAfter(device, store, make(), 6);
    mask = 1; // as in a new process
    await expectRefused(device, store, make(), "Diverged");

    const paused = memoryStore();
    mask = 1;
    await train(device, paused, make(), { until: 6 });
    mask = 1;
    await train(device, paused, make()); // it recomputes nothing, so it can see nothing
    mask = 1;
    const { problems } = await leaksNothing(() =>
      orThrow(replayRun({ store: paused, device }, RUN, make()))
    );
    assert.deepEqual(problems.map(({ type, step }) => [type, step]), [["Diverged", 7]]);
  },
);

backendTest(
  "cpu",
  "hazard 24: the corrections of Adam's moments are those of their step after any resume",
  async (device) => {
    for (const [name, beta1, beta2] of [["adam", 0.9, 0.999], ["adamw", 0.7, 0.91]] as const) {
      const optimizer = { name, beta1, beta2, learningRate: 0.05 };
      const make = () => hazardTask({ optimizer, save: { every: 0 } });
      const expected = await factsOf(await trained(device, make));
      for (const step of EVERY_STEP) {
        const facts = await factsOf(await trained(device, make, [step]));
        assert.deepEqual(facts, expected, `resumed at step ${step}`);
      }
    }
  },
);

backendTest(
  "cpu",
  "hazard 39: what a task makes at a resume gives the structure of its state, and no number",
  async (device) => {
    let loads = 0;
    const make = (): Task => {
      const task = hazardTask();
      return { // as where what is loaded is changed in place: once, twice, ...
        ...task,
        init: (key) => mapTree((leaf) => tf.add(leaf, loads++), task.init(key)),
      };
    };
    const store = memoryStore();
    await train(device, store, make(), { until: 4 });
    const again = memoryStore();
    loads = 0;
    await train(device, again, make());
    for (const until of [4, 5, 6, 9]) await train(device, store, make(), { until });
    await train(device, store, make());
    assert.deepEqual(await factsOf(store), await factsOf(again));
  },
);

backendTest(
  "cpu",
  "hazard 22: the loss scale goes on where it was, with its count, and skips what it skipped",
  async (device) => {
    const lossScale = { initial: 2 ** 12, growthInterval: 2 };
    const make = () => hazardTask({ precision: "mixed_float16", lossScale });
    const steps = (await eventsOf(await trained(device, make))).filter(isStep);
    let [scale, finite] = [lossScale.initial, 0];
    for (const { type, data } of steps) {
      assert.equal(data.lossScale, scale, `step ${data.step}`);
      assert.equal(type, Number.isFinite(data.gradNorm) ? "StepTaken" : "StepSkipped");
      finite = type === "StepTaken" ? finite + 1 : 0;
      if (type === "StepSkipped") scale /= 2;
      if (finite === lossScale.growthInterval) {
        [scale, finite] = [Math.min(scale * 2, 2 ** 24), 0];
      }
    }
    const scales = steps.map(({ data }) => data.lossScale!);
    const changes = scales.slice(1).map((next, before) => next / scales[before]!);
    assert.deepEqual([...new Set(changes)].sort(), [0.5, 1, 2], "not halved, kept and doubled");
    for (const stops of [[1], [2], [5], [9], EVERY_STEP]) await expectSame(device, make, stops);
  },
);

backendTest(
  "cpu",
  "a step that is skipped changes nothing but the loss scale, and a run says how many there were",
  async (device) => {
    const lossScale = { initial: 2 ** 24, growthInterval: 100 };
    const task = hazardTask({ precision: "mixed_float16", lossScale, ema: { decay: 0.5 } });
    const store = memoryStore();
    const notices: Notice[] = [];
    const reporter = { report: (notice: Notice) => void notices.push(notice) };
    const { state } = await orThrow(
      trainRun({ store, device, reporter }, RUN, task, { until: 1 }),
    );
    assert.equal((await eventsOf(store))[1]?.type, "StepSkipped", "the first step was taken");
    const after = await groupsOf(store);
    const before = await groupsOf(await pausedAtStart(device, task));
    for (const group of ["model", "optimizer", "ema"]) {
      assert.deepEqual(after[group], before[group], group);
    }
    assert.notDeepEqual(after["loss_scale"], before["loss_scale"]);
    assert.equal(state.skippedSteps, 1);
    assert.deepEqual(
      notices.filter(({ type }) => type === "Skipped"),
      [{ type: "Skipped", step: 1, lossScale: 2 ** 24 }],
    );
    assert.equal(runSummary(state).skippedSteps, 1);
  },
);

backendTest(
  "cpu",
  "a fingerprint that differs at a skipped step names the tensors that differ",
  async (device) => {
    const lossScale = { initial: 2 ** 24, growthInterval: 100 };
    const task = hazardTask({ precision: "mixed_float16", lossScale, fingerprint: { every: 1 } });
    const events = await eventsOf(await trained(device, () => task));
    const skipped = events.findIndex(({ type }) => type === "StepSkipped");
    const [before, after] = [events[skipped], events[skipped + 1]];
    assert.ok(before?.type === "StepSkipped" && after && isStep(after));
    assert.equal(before.data.step, 1);
    const fingerprint = after.data.fingerprint!; // of another scale, and of nothing else
    const store = memoryStore();
    const writer = await orThrow(store.log.open(RUN));
    const changed = { ...before, data: { ...before.data, fingerprint } };
    await orThrow(writer.append([...events.slice(0, skipped), changed], 0));
    await orThrow(writer.close());
    const result = await leaksNothing(() => trainRun({ store, device }, RUN, task)());
    assert.ok(E.isLeft(result) && result.left.type === "Diverged");
    assert.deepEqual([result.left.step, result.left.leaves], [1, ["loss_scale/scale"]]);
  },
);

backendTest(
  "cpu",
  "hazard 44: an average of the weights in an optimiser's state goes on after any resume",
  async (device) => {
    const make = () => ({ ...hazardTask(), optimizer: averaging(adamw()) });
    const whole = await trained(device, make);
    const expected = await averageOf(whole);
    assert.notDeepEqual(expected, (await groupsOf(whole))["model"], "it is the last parameters");
    for (const steps of [[1], [4], [7], EVERY_STEP]) {
      await expectSame(device, make, steps);
      assert.deepEqual(await averageOf(await trained(device, make, steps)), expected);
    }
  },
);

backendTest(
  "cpu",
  "a step that is cut in the middle of its accumulation is computed again, whole",
  async (device) => {
    const expected = await factsOf(await trained(device, () => hazardTask()));
    const passes = 3;
    for (const call of [1, 2, 6 * passes + 1, 8 * passes + 2]) {
      const store = memoryStore();
      const failed = await leaksNothing(() =>
        trainRun({ store, device }, RUN, failingAt(hazardTask(), call))()
      );
      assert.ok(E.isLeft(failed) && failed.left.type === "TaskFailed");
      await train(device, store, hazardTask());
      assert.deepEqual(await factsOf(store), expected, `failed in pass ${call}`);
    }
  },
);

backendTest(
  "cpu",
  "the best losses are those of the whole run, also where a resume comes after them",
  async (device) => {
    const losses = [5, 1, 3, 2]; // of steps 3, 6, 9 and 12
    const evaluated = (task: Task): Task => ({
      ...task,
      evaluation: { data: task.data, loss: () => tf.scalar(losses.shift()!) },
    });
    const task = evaluated(hazardTask({ evaluate: { every: 3, batches: 1 } }));
    const store = memoryStore();
    await train(device, store, task, { until: 8 });
    const notices: Notice[] = [];
    const reporter = { report: (notice: Notice) => void notices.push(notice) };
    const { state } = await orThrow(trainRun({ store, device, reporter }, RUN, task));
    const best = { step: 6, loss: 1 };
    const resumed = notices.find(({ type }) => type === "Resumed");
    assert.deepEqual(resumed?.type === "Resumed" && resumed.best, best);
    assert.deepEqual(state.bestEvaluation, best);
    const steps = await dataOf(store, "StepTaken");
    const lowest = Math.min(...steps.map(({ loss }) => loss));
    assert.equal(state.bestTrainLoss?.loss, lowest);
    assert.equal((await eventsOf(store)).at(-1)?.type, "RunCompleted");
  },
);

/** A store of the task's run that was paused before its first step. */
async function pausedAtStart(device: Device, task: Task): Promise<Store> {
  const store = memoryStore();
  await train(device, store, task, { until: 0 });
  return store;
}

/** The task, whose loss throws in its n-th pass, counted from 0. */
function failingAt(task: Task, pass: number): Task {
  let left = pass;
  return {
    ...task,
    loss(params, batch, key) {
      if (left-- === 0) throw new Error("planted");
      return task.loss(params, batch, key);
    },
  };
}

/** The task, with an AdamW that writes down what each update is told. */
function noting(task: Task, used: UpdateContext[]): Task {
  const optimizer = adamw();
  return {
    ...task,
    optimizer: {
      init: (params) => optimizer.init(params),
      update(gradients, state, params, context) {
        used.push(context);
        return optimizer.update(
          gradients,
          state as ReturnType<typeof optimizer.init>,
          params,
          context,
        );
      },
    },
  };
}

function expectRates(actual: readonly number[]): void {
  assert.equal(actual.length, RATES.length);
  actual.forEach((rate, index) => {
    assert.ok(Math.abs(rate - RATES[index]!) < 1e-12, `step ${index + 1}: ${rate}`);
  });
}

/** A line of two vectors of the same shape, made in the order of these names. */
function twoVectors(names: readonly string[]): Task {
  return defineTask({
    name: "two vectors",
    config: hazardTask().config!,
    data: points("points", SAMPLES),
    init: (key) =>
      Object.fromEntries(names.map((name) => [name, tf.tensor1d(normal(foldIn(key, name), 2))])),
    loss(vectors, { x, y }) {
      const [first, second] = Object.keys(vectors).sort().map((name) => vectors[name]!);
      const bent = tf.tanh(tf.sum(tf.mul(x, second!), 1, true));
      const line = tf.sum(tf.mul(x, first!), 1, true);
      return tf.mean(tf.square(tf.sub(tf.add(line, bent), y)));
    },
  });
}

type Tensors = [path: string, tensor: HostTensor][];

/** The store, but it gives what `change` makes of a snapshot. */
function changing(store: Store, change: (snapshot: Snapshot) => Snapshot): Store {
  const { snapshots } = store;
  const get: typeof snapshots.get = (id) => TE.map(change)(snapshots.get(id));
  return { ...store, snapshots: { ...snapshots, get } };
}

/** The snapshot with other tensors of the optimiser. */
function withTensors(snapshot: Snapshot, change: (tensors: Tensors) => Tensors): Snapshot {
  const optimizer = new Map(change([...snapshot.groups["optimizer"]!]));
  return { ...snapshot, groups: { ...snapshot.groups, optimizer } };
}

/** The optimiser, with an average of the parameters beside its own state. */
function averaging<S extends Tree>(inner: Optimizer<S>): Optimizer {
  const averaged = emaOf(0.9);
  return {
    init: (params) => ({
      inner: inner.init(params),
      ema: mapTree((leaf) => tf.clone(leaf), params),
    }),
    update(gradients, state, params, context) {
      const { inner: own, ema } = state as { readonly inner: S; readonly ema: typeof params };
      const next = inner.update(gradients, own, params, context);
      const moved = mapTree((param, by) => tf.add(param, by!), params, next.updates);
      return { updates: next.updates, state: { inner: next.state, ema: averaged(ema, moved) } };
    },
  };
}

async function groupsOf(store: Store): Promise<Snapshot["groups"]> {
  const { snapshot } = (await dataOf(store, "SnapshotTaken")).at(-1)!;
  return (await orThrow(store.snapshots.get(snapshot))).groups;
}

/** The tensors of the average in the last snapshot, by the paths of their parameters. */
async function averageOf(store: Store): Promise<ReadonlyMap<string, unknown>> {
  const all = [...(await groupsOf(store))["optimizer"]!];
  const own = all.filter(([path]) => path.startsWith("ema."));
  assert.equal(own.length, 4);
  return new Map(own.map(([path, tensor]) => [path.slice("ema.".length), tensor]));
}
