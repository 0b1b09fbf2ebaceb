import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { memoryStore, orThrow, type Store, type Task, trainRun } from "foldlog";
import { backendTest, leaksNothing } from "../support/backends.ts";
import {
  dataOf,
  eventsOf,
  expectRefused,
  expectSame,
  factsOf,
  hazardTask,
  points,
  RUN,
  SAMPLES,
  STEPS,
  train,
  trained,
  watched,
} from "../support/hazard_runs.ts";
import { scheduleOf } from "../../src/core/schedule_of.ts";

// How the position in the data goes wrong at a resume, by the numbers of docs/determinism.md. A step
// takes 6 of 10 samples in three passes.

const SIZE = 6;
const EPOCH_ENDS = [2, 4, 5, 7, 9, 10, 12];

backendTest(
  "cpu",
  "hazard 6: a resume under accumulation goes on at the sample, not at the count of steps",
  async (device) => {
    const whole = await askedFor(() => hazardTask(), (make) => trained(device, make));
    assert.equal(whole.length, STEPS * SIZE);
    for (const step of [1, 3, 8]) {
      const make = (task: () => Task) => trained(device, task, [step]);
      assert.deepEqual(await askedFor(() => hazardTask(), make), whole, `stopped after ${step}`);
    }
    await expectSame(device, () => hazardTask(), [1, 3, 8]);
  },
);

backendTest(
  "cpu",
  "hazard 7: a resume under accumulation takes all steps of all epochs that are left",
  async (device) => {
    for (const stop of ["paused", "killed"] as const) {
      const store = await trained(device, () => hazardTask(), [7], stop);
      const steps = (await dataOf(store, "StepTaken")).map(({ step }) => step);
      assert.deepEqual(steps, Array.from({ length: STEPS }, (_, index) => index + 1));
      const epochs = (await dataOf(store, "EpochCompleted")).map((
        { step, epoch },
      ) => [step, epoch]);
      assert.deepEqual(epochs, EPOCH_ENDS.map((step, epoch) => [step, epoch]));
    }
  },
);

backendTest(
  "cpu",
  "hazard 8: what a resume skips in its epoch is skipped in no later one",
  async (device) => {
    for (const steps of [[1], [3], [1, 3, 6]]) {
      const numbers = await askedFor(() => hazardTask(), (make) => trained(device, make, steps));
      expectWholeEpochs(numbers);
    }
  },
);

backendTest(
  "cpu",
  "hazard 9: no resume starts the data again",
  async (device) => {
    const everyStep = Array.from({ length: STEPS - 1 }, (_, index) => index + 1);
    const store = await trained(device, () => hazardTask(), everyStep);
    const cursors = (await dataOf(store, "StepTaken")).map(({ epoch, index }) => [epoch, index]);
    const expected = Array.from({ length: STEPS }, (_, index) => (index + 1) * SIZE)
      .map((taken) => [Math.floor(taken / SAMPLES), taken % SAMPLES]);
    assert.deepEqual(cursors, expected);
    await expectSame(device, () => hazardTask(), everyStep);
  },
);

backendTest(
  "cpu",
  "hazard 10: a resume at the very end of an epoch drops none and repeats none",
  async (device) => {
    const make = () => hazardTask({ batch: { size: 5, micro: 5 } }); // two steps an epoch
    await expectSame(device, make, [2, 4, 8]);
    for (const stop of ["paused", "killed"] as const) {
      const store = await trained(device, make, [2, 4, 8], stop);
      const epochs = (await dataOf(store, "EpochCompleted")).map((
        { step, epoch },
      ) => [step, epoch]);
      assert.deepEqual(epochs, [[2, 0], [4, 1], [6, 2], [8, 3], [10, 4], [12, 5]]);
    }
    expectWholeEpochs(await askedFor(make, (make) => trained(device, make, [2, 4, 8])));
  },
);

backendTest(
  "cpu",
  "hazard 11: the order is kept by the second and third resume of one epoch",
  async (device) => {
    const make = () => hazardTask({ save: { every: 0 } }, 80); // one epoch has all 72 samples
    const whole = await askedFor(make, (make) => trained(device, make));
    assert.equal(new Set(whole).size, STEPS * SIZE);
    assert.notDeepEqual(whole, whole.toSorted((a, b) => a - b), "it is not shuffled");
    assert.deepEqual(await askedFor(make, (make) => trained(device, make, [2, 5, 9])), whole);
    await expectSame(device, make, [2, 5, 9]);
  },
);

backendTest(
  "cpu",
  "hazard 12: a sample that was on its way as the epoch wrapped is neither lost nor taken twice",
  async (device) => {
    const make = () => hazardTask({}, 9); // passes of two samples: calls 4 and 13 are of two epochs
    const expected = await factsOf(await trained(device, make));
    for (const call of [4, 5, 13, 14]) {
      const store = memoryStore();
      const failed = await leaksNothing(() =>
        trainRun({ store, device }, RUN, failingAt(make(), call))()
      );
      assert.ok(E.isLeft(failed) && failed.left.type === "TaskFailed");
      await trained(device, make, [], "paused", store);
      assert.deepEqual(await factsOf(store), expected, `failed at call ${call}`);
    }
    expectWholeEpochs(await askedFor(make, (make) => trained(device, make, [2, 5])), 9);
  },
);

backendTest(
  "cpu",
  "hazard 13: other data is refused, not entered at the place of the old",
  async (device) => {
    const store = memoryStore();
    await train(device, store, hazardTask(), { until: 5 });
    const others = [points("points", SAMPLES + 3), points("others", SAMPLES)];
    for (const other of others) {
      const { name } = hazardTask().data.identity;
      const data = { ...other, identity: { ...other.identity, name } };
      await expectRefused(device, store, { ...hazardTask(), data } as Task, "DataDiffers");
    }
  },
);

backendTest(
  "cpu",
  "hazard 14: a resume at the last step, or just before its end is recorded, does nothing else",
  async (device) => {
    const whole = await trained(device, () => hazardTask());
    const events = await eventsOf(whole);
    const lastStep = events.findIndex(({ type, data }) =>
      type === "StepTaken" && data.step === STEPS
    );
    for (let kept = lastStep; kept <= events.length; kept++) {
      const store = await cutAfter(whole, kept);
      const numbers = await askedFor(
        () => hazardTask(),
        (make) => trained(device, make, [], "paused", store),
      );
      assert.deepEqual(await eventsOf(store), events, `${kept} events were kept`);
      const saved = kept >= events.length - 1; // otherwise the newest snapshot is that of step 8
      assert.equal(numbers.length, saved ? 0 : 4 * SIZE, `${kept} events were kept`);
    }
    const { config } = (await dataOf(whole, "RunStarted"))[0]!;
    const last = (await dataOf(whole, "StepTaken")).at(-1)!;
    assert.equal(last.learningRate, scheduleOf(config)(STEPS - 1));
    await expectSame(device, () => hazardTask(), [STEPS - 1]);
  },
);

for (const [samples, size] of [[7, 4], [3, 4], [5, 6], [10, 6]] as const) {
  backendTest(
    "cpu",
    `hazard 15: ${samples} samples in batches of ${size}: every batch is full, a resume finds none cut`,
    async (device) => {
      const make = () => hazardTask({ batch: { size, micro: 2 }, steps: { max: 8 } }, samples);
      const numbers: number[][] = [];
      await trained(device, () => watched(make(), { numbers }), [1, 2, 3, 4, 5, 6, 7]);
      assert.deepEqual(numbers.map(({ length }) => length), numbers.map(() => 2));
      assert.equal(numbers.length, 8 * size / 2);
      await expectSame(device, make, [1, 2, 3, 4, 5, 6, 7]);
    },
  );
}

backendTest(
  "cpu",
  "hazard 16: a resumed run reads the file that is open now, at its own place",
  async (device) => {
    const path = await Deno.makeTempFile();
    const { data } = hazardTask();
    const { x, y } = await data.at(Array.from({ length: SAMPLES }, (_, index) => index));
    const rows = Float32Array.from({ length: SAMPLES * 3 }, (_, index) => {
      const row = Math.floor(index / 3);
      return index % 3 === 2 ? y!.data[row]! : x!.data[row * 2 + index % 3]!;
    });
    await Deno.writeFile(path, new Uint8Array(rows.buffer));
    let open: Deno.FsFile | undefined;
    const make = (): Task => {
      open?.close(); // what the session before read from
      const file = open = Deno.openSync(path);
      return { ...hazardTask(), data: { ...data, at: (samples) => rowsOf(file, samples) } };
    };
    try {
      await expectSame(device, make, [3, 6]);
      const expected = await factsOf(await trained(device, () => hazardTask()));
      assert.deepEqual(await factsOf(await trained(device, make, [3, 6])), expected);
    } finally {
      open?.close();
      await Deno.remove(path);
    }
  },
);

/** The samples that a training of this task asked for, in order. */
async function askedFor(
  make: () => Task,
  training: (make: () => Task) => Promise<Store>,
): Promise<readonly number[]> {
  const numbers: number[][] = [];
  await training(() => watched(make(), { numbers }));
  return numbers.flat();
}

/** Expects each epoch to have each sample once, and the orders of two epochs to differ. */
function expectWholeEpochs(numbers: readonly number[], samples = SAMPLES): void {
  const all = Array.from({ length: samples }, (_, index) => index);
  const orders = new Set<string>();
  let from = 0;
  for (; from + samples <= numbers.length; from += samples) {
    const epoch = numbers.slice(from, from + samples);
    assert.deepEqual(epoch.toSorted((a, b) => a - b), all, `from sample ${from} on`);
    orders.add(epoch.join());
  }
  assert.equal(orders.size, from / samples);
}

/** The task, whose data throws once it is asked for its n-th part, counted from 0. */
function failingAt(task: Task, call: number): Task {
  let left = call;
  const at: Task["data"]["at"] = (samples) => {
    if (left-- === 0) throw new Error("planted");
    return task.data.at(samples);
  };
  return { ...task, data: { ...task.data, at } };
}

/** A store with the first events of the run, and with the snapshots that they name. */
async function cutAfter(whole: Store, kept: number): Promise<Store> {
  const events = (await eventsOf(whole)).slice(0, kept);
  const store = memoryStore();
  const writer = await orThrow(store.log.open(RUN));
  await orThrow(writer.append(events, 0));
  await orThrow(writer.close());
  for (const { type, data } of events) {
    if (type !== "SnapshotTaken") continue;
    await orThrow(store.snapshots.put(RUN, await orThrow(whole.snapshots.get(data.snapshot))));
  }
  return store;
}

async function rowsOf(file: Deno.FsFile, samples: readonly number[]) {
  const x = new Float32Array(samples.length * 2);
  const y = new Float32Array(samples.length);
  for (const [index, sample] of samples.entries()) {
    const row = new Float32Array(3);
    await file.seek(sample * row.byteLength, Deno.SeekMode.Start);
    assert.equal(await file.read(new Uint8Array(row.buffer)), row.byteLength);
    x.set(row.subarray(0, 2), index * 2);
    y[index] = row[2]!;
  }
  return {
    x: { dtype: "float32", shape: [samples.length, 2], data: x },
    y: { dtype: "float32", shape: [samples.length, 1], data: y },
  } as const;
}
