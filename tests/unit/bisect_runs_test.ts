import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  arraySource,
  type BisectOptions,
  type BisectReport,
  bisectRuns,
  defaultConfig,
  type Device,
  forkRun,
  key,
  mapNamed,
  memoryStore,
  mergeConfig,
  normal,
  type Optimizer,
  optimizerOf,
  orThrow,
  type PartialConfig,
  type Store,
  type Task,
  trainRun,
} from "foldlog";
import * as tf from "foldlog/tf";
import { backendTest } from "../support/backends.ts";
import { eventsOf, keptBy, lossy, tenSteps } from "../support/ten_steps.ts";

/** The ten steps without evaluations, with a snapshot at the end alone and a fingerprint every fourth step. */
const SPARSE = { save: { every: 0 }, evaluate: { every: 0 }, fingerprint: { every: 4 } };

backendTest("cpu", "a training and its repetition never part", async (device) => {
  const store = await both(device, { config: SPARSE }, {
    config: { ...SPARSE, save: { every: 3 } },
  });
  const found = await bisect(device, store);
  assert.deepEqual([found.parts, found.equal, found.cause], [false, 10, undefined]);
  assert.deepEqual([found.a, found.b], [{ run: "a", from: 0, to: 10 }, {
    run: "b",
    from: 0,
    to: 10,
  }]);
  assert.deepEqual(found.config.map(({ name }) => name), ["save.every"]);
});

backendTest(
  "cpu",
  "a run that is shorter, or changes after the other's end, does not part",
  async (device) => {
    const shorter = await bisect(
      device,
      await both(device, { config: SPARSE }, { config: SPARSE }, 6),
    );
    assert.deepEqual([shorter.parts, shorter.equal], [false, 4]);
    const store = await both(device, { config: SPARSE }, { config: SPARSE });
    const config = { ...SPARSE, optimizer: { learningRate: 0.3 }, steps: { max: 12 } };
    const changed = { config, recordChanges: true };
    const { state } = await orThrow(trainRun({ store, device }, "a", tenSteps, changed));
    assert.equal(state.step, 12);
    const longer = await bisect(device, store);
    assert.deepEqual([longer.parts, longer.equal], [false, 10]);
  },
);

backendTest(
  "cpu",
  "a changed setting parts the step that it was first taken with, and explains it",
  async (device) => {
    const store = await both(device, { config: SPARSE }, { config: SPARSE }, 5);
    const config = { ...SPARSE, optimizer: { learningRate: 0.01 } };
    const changed = { config, recordChanges: true, until: 8 };
    await orThrow(trainRun({ store, device }, "b", tenSteps, changed));
    // What it is changed to later, as here back, has no part in it.
    const back = { config: { ...config, optimizer: { learningRate: 0.1 } }, recordChanges: true };
    await orThrow(trainRun({ store, device }, "b", tenSteps, back));
    const found = await bisect(device, store);
    assert.deepEqual([found.parts, found.equal, found.different], [true, 5, 6]);
    assert.deepEqual(found.config, [{ name: "optimizer.learningRate", a: 0.1, b: 0.01 }]);
    assert.deepEqual(found.cause, { type: "premises", names: ["optimizer.learningRate"] });
    assert.deepEqual(found.state?.steps, { a: 6, b: 6 });
    const [leaf] = found.state!.differing;
    assert.ok(leaf?.differs === "elements");
    assert.deepEqual([leaf.path, leaf.first.at], ["model/offset", [0]]);
    assert.deepEqual([found.a.stopped, found.b.stopped], [undefined, undefined]);
    assert.equal(found.a.recomputation?.fingerprints, 1);
  },
);

backendTest("cpu", "a longer schedule explains other learning rates", async (device) => {
  const schedule = { name: "cosine" } as const;
  const store = await both(device, { config: { ...SPARSE, schedule } }, {
    config: { ...SPARSE, schedule, steps: { max: 20 } },
  }, 10);
  const { cause } = await bisect(device, store);
  assert.deepEqual(cause, { type: "premises", names: ["steps.max"] });
});

backendTest("cpu", "another seed parts runs at the states that they begin with", async (device) => {
  const seeded: Task = {
    ...tenSteps,
    init: (root) => ({ ...tenSteps.init(root), slope: tf.tensor(normal(root, 1)) }),
  } as Task;
  const store = memoryStore();
  for (const [run, seed] of [["a", 1], ["b", 2]] as const) {
    await orThrow(
      trainRun({ store, device }, run, seeded, {
        config: { ...SPARSE, seed, save: { every: seed } },
      }),
    );
  }
  const found = await orThrow(bisectRuns({ store, device }, "a", "b", seeded));
  assert.deepEqual([found.different, "equal" in found], [0, false]);
  assert.deepEqual(found.cause, { type: "premises", names: ["seed"] });
  assert.deepEqual(found.state?.differing.map(({ path }) => path), ["model/slope"]);
});

backendTest(
  "cpu",
  "a state that changed silently between two fingerprints is the log's own fault",
  async (device) => {
    const store = await both(device, { config: SPARSE }, { config: SPARSE, task: struckAfter(6) });
    const found = await bisect(device, store);
    // Recorded alike up to step 6; the loss of step 7 is the first to tell.
    assert.deepEqual([found.parts, found.equal, found.different], [true, 4, 7]);
    assert.deepEqual(found.event?.members.map(({ name }) => name), ["gradNorm", "loss"]);
    assert.deepEqual(found.cause, { type: "log", runs: ["b"] });
    assert.deepEqual([found.a.stopped, found.a.recomputation?.steps], [undefined, 7]);
    assert.deepEqual([found.b.stopped?.type, found.b.stopped?.step], ["Diverged", 7]);
    assert.match(found.b.stopped!.message, /loss: recorded .*, recomputed/);
    assert.deepEqual(found.config, []);
    const turned = await orThrow(bisectRuns({ store, device }, "b", "a", tenSteps));
    assert.deepEqual(turned.cause, { type: "log", runs: ["b"] });
  },
);

backendTest(
  "cpu",
  "a state that changed just before a fingerprint is named with its leaf",
  async (device) => {
    const store = await both(device, { config: SPARSE }, { config: SPARSE, task: struckAfter(8) });
    const found = await bisect(device, store);
    assert.deepEqual([found.equal, found.different, found.cause], [4, 8, {
      type: "log",
      runs: ["b"],
    }]);
    assert.match(found.b.stopped!.message, /Tensors that differ: .*model\/slope/);
  },
);

backendTest(
  "cpu",
  "a run of other settings whose snapshot is not what it computed is caught at that",
  async (device) => {
    const config = { ...SPARSE, save: { every: 1 } };
    const store = await both(device, { config }, {
      config: { ...config, optimizer: { beta1: 0.5 } },
      task: struckAfter(1),
    });
    const found = await bisect(device, store);
    assert.deepEqual([found.equal, found.different, found.b.stopped?.step], [0, 1, 1]);
    assert.deepEqual([found.cause, found.state], [{ type: "log", runs: ["b"] }, undefined]);
    assert.deepEqual(found.config.map(({ name }) => name), ["optimizer.beta1"]);
  },
);

backendTest("cpu", "a batch that was swapped is found at its step", async (device) => {
  const { data } = tenSteps;
  let calls = 0;
  const at = (numbers: readonly number[]) =>
    data.at(++calls === 6 ? numbers.toReversed() : numbers);
  const swapped = { ...tenSteps, data: { ...data, at } };
  const store = await both(device, { config: SPARSE }, { config: SPARSE, task: swapped });
  const found = await bisect(device, store);
  assert.deepEqual([found.equal, found.different], [4, 6]);
  assert.ok(found.event?.members.some(({ name }) => name === "batch"));
  assert.deepEqual(found.cause, { type: "log", runs: ["b"] });
  assert.deepEqual(found.b.stopped?.step, 6);
});

backendTest("cpu", "a run of other data is told apart by its task", async (device) => {
  const [x, y] = [5, 6].map((
    seed,
  ) => ({ dtype: "float32", shape: [8, 1], data: normal(key(seed), 8) } as const));
  const other = { ...tenSteps, data: arraySource("others", { x: x!, y: y! }) };
  const store = await both(device, { config: SPARSE }, { config: SPARSE, task: other });
  const found = await bisect(device, store, { taskOfB: other } as unknown as BisectOptions);
  assert.deepEqual([found.equal, found.different], [0, 1]);
  assert.deepEqual(found.cause, { type: "premises", names: ["data"] });
  assert.ok(found.state!.differing.length > 0);
  const alone = await bisect(device, store);
  assert.deepEqual([alone.b.stopped?.type, alone.cause], ["DataDiffers", { type: "unknown" }]);
  assert.deepEqual([alone.different, alone.state], [1, undefined]);
});

backendTest(
  "cpu",
  "what was computed elsewhere is said, and nothing claimed of it",
  async (device) => {
    const { environment } = device;
    const elsewhere = { ...device, environment: { ...environment, platform: "elsewhere" } };
    const store = await both(device, { config: SPARSE }, {
      config: { ...SPARSE, optimizer: { learningRate: 0.3 } },
      device: elsewhere,
    });
    const found = await bisect(device, store);
    assert.deepEqual([found.parts, found.different, found.state], [true, 1, undefined]);
    assert.deepEqual([found.b.stopped?.type, found.cause], ["ComputedElsewhere", {
      type: "unknown",
    }]);
    assert.deepEqual(found.environment.members.map(({ name }) => name), ["platform"]);
  },
);

backendTest(
  "cpu",
  "an evaluation that differs after equal states is of other held-out data",
  async (device) => {
    const heldOut = {
      ...tenSteps,
      evaluation: { ...tenSteps.evaluation!, data: tenSteps.data },
    } as Task;
    const config = { ...SPARSE, evaluate: { every: 4, batches: 1 }, save: { every: 4 } };
    const store = await both(device, { config }, { config, task: heldOut });
    const options = { taskOfB: heldOut } as unknown as BisectOptions;
    const found = await bisect(device, store, options);
    assert.deepEqual([found.equal, found.different, found.state], [4, 4, undefined]);
    assert.equal(found.event?.a, "EvaluationTaken");
    assert.deepEqual(found.cause, { type: "premises", names: ["heldOut"] });
    assert.ok(found.b.recomputation!.compared > 0);
  },
);

backendTest("cpu", "a fork parts from its parent where it was made to", async (device) => {
  const store = await both(device, { config: SPARSE }, { config: SPARSE });
  const config = { optimizer: { learningRate: 0.2 } };
  await orThrow(forkRun({ store, device }, "a", "c", tenSteps, { at: 4, config }));
  await orThrow(trainRun({ store, device }, "c", tenSteps));
  const found = await orThrow(bisectRuns({ store, device }, "a", "c", tenSteps));
  assert.deepEqual([found.b.from, found.equal, found.different], [4, 4, 5]);
  assert.deepEqual(found.cause, { type: "premises", names: ["optimizer.learningRate"] });
});

backendTest(
  "cpu",
  "bisecting writes nothing, and works where snapshots are lost",
  async (device) => {
    const config = { ...SPARSE, save: { every: 2 } };
    const store = lossy(
      await both(device, { config }, { config: { ...config, optimizer: { learningRate: 0.3 } } }),
    );
    for (const run of ["a", "b"]) {
      for (const id of (await keptBy(store, run)).values()) {
        store.lose(id);
      }
    }
    const before = [await eventsOf(store, "a"), await eventsOf(store, "b")];
    const found = await bisect(device, store);
    assert.deepEqual([found.equal, found.different], [0, 1]);
    assert.deepEqual([await eventsOf(store, "a"), await eventsOf(store, "b")], before);
    assert.deepEqual(store.stored, []);
  },
);

backendTest("cpu", "a run that is not there is missing, and no answer", async (device) => {
  const store = await both(device, {}, {}, 1);
  const result = await bisectRuns({ store, device }, "a", "z", tenSteps)();
  assert.ok(E.isLeft(result) && result.left.type === "RunMissing");
});

/** How one of two runs is trained. */
interface Training {
  readonly config?: PartialConfig;
  // deno-lint-ignore no-explicit-any
  readonly task?: Task<any, any>;
  readonly device?: Device;
}

/** A store with the runs "a" and "b", the second up to a step. */
async function both(device: Device, a: Training, b: Training, until = 10): Promise<Store> {
  const store = memoryStore();
  for (
    const [run, { task = tenSteps, config = {}, ...on }, end] of [["a", a, 10], [
      "b",
      b,
      until,
    ]] as const
  ) {
    const env = { store, device, ...on };
    await orThrow(trainRun(env, run, task as Task, { config, until: end }));
  }
  return store;
}

/** The report, which is JSON as it is. */
async function bisect(
  device: Device,
  store: Store,
  options: BisectOptions = {},
): Promise<BisectReport> {
  const found = await orThrow(
    bisectRuns({ store, device }, "a", "b", tenSteps as unknown as Task, options),
  );
  assert.deepEqual(JSON.parse(JSON.stringify(found)), found);
  return found;
}

/** The ten steps on a machine that fails once: what step `step` makes of the slope is not what it computed. */
function struckAfter(step: number): Task {
  const optimizer = optimizerOf(mergeConfig(defaultConfig, tenSteps.config!));
  let updates = 0;
  const update: Optimizer["update"] = (...args) => {
    const result = optimizer.update(...args);
    if (++updates !== step) return result;
    const struck = mapNamed(
      (path, leaf) => path === "slope" ? tf.add(leaf, 0.125) : leaf,
      result.updates,
    );
    return { ...result, updates: struck };
  };
  return { ...tenSteps, optimizer: { ...optimizer, update } } as unknown as Task;
}
