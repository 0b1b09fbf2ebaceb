import assert from "node:assert/strict";
import { dropout, key, normal, orThrow, type RngKey, type Task, uniform } from "foldlog";
import * as tf from "foldlog/tf";
import { backendTest } from "../support/backends.ts";
import {
  dataOf,
  eventsOf,
  expectSame,
  hazardTask,
  STEPS,
  trained,
  watched,
} from "../support/hazard_runs.ts";

// How random numbers go wrong at a resume, by the numbers of docs/determinism.md.

const PASSES = 3;

backendTest(
  "cpu",
  "hazard 1: what is drawn while the data is made changes no number of a training",
  async (device) => {
    let made = 0;
    const make = () => {
      for (let draw = 0; draw <= made; draw++) drawEverywhere();
      made++; // each session draws one time more
      return hazardTask();
    };
    await expectSame(device, make, [3, 4, 10]);
    await expectSame(device, make, [5]);
  },
);

backendTest(
  "cpu",
  "hazard 2: a training with evaluations is, in all but these, the training without",
  async (device) => {
    const stepsOf = async (evaluate: { readonly every: number; readonly batches: number }) => {
      const task = hazardTask({ evaluate });
      const store = await trained(device, () => drawingInEvaluation(task), [3, 7]);
      const states = (await dataOf(store, "SnapshotTaken")).map(({ step, state }) => [step, state]);
      const evaluations = await dataOf(store, "EvaluationTaken");
      return { evaluations: evaluations.length, states, steps: await dataOf(store, "StepTaken") };
    };
    const without = await stepsOf({ every: 0, batches: 0 });
    for (const [every, batches] of [[1, 1], [1, 2], [5, 2]] as const) {
      const { evaluations, ...training } = await stepsOf({ every, batches });
      assert.equal(evaluations, Math.ceil(STEPS / every));
      assert.deepEqual({ ...training, evaluations: 0 }, without);
    }
  },
);

backendTest(
  "cpu",
  "hazard 3: batches that are fetched once more, or draw while they are, move no number",
  async (device) => {
    const make = () => {
      const task = hazardTask();
      const at: Task["data"]["at"] = (samples) => {
        drawEverywhere();
        return task.data.at(samples);
      };
      return { ...task, data: { ...task.data, at } };
    };
    await expectSame(device, make, [3, 3, 6]); // killed, it fetches again what the log has
  },
);

backendTest(
  "cpu",
  "hazard 4: dropout goes on after a resume, with the masks that were its turn",
  async (device) => {
    const masksOf = async (steps: readonly number[]) => {
      const masks: string[] = [];
      const make = (): Task => {
        const task = hazardTask();
        return {
          ...task,
          loss(params, batch, key) {
            masks.push(dropout(tf.ones([64]), 0.5, key).dataSync().join(""));
            return task.loss(params, batch, key);
          },
        };
      };
      await trained(device, make, steps);
      return masks;
    };
    const whole = await masksOf([]);
    assert.equal(new Set(whole).size, STEPS * PASSES, "a mask came twice");
    for (const mask of whole) {
      assert.ok(mask.includes("0") && mask.includes("2"), "nothing dropped");
    }
    assert.deepEqual(await masksOf([1, 6, 11]), whole);
    await expectSame(device, () => hazardTask(), [1, 6, 11]);
  },
);

backendTest(
  "cpu",
  "hazard 5: there is no random state to save: each pass has a key that its step and number give",
  async (device) => {
    const keysOf = async (steps: readonly number[]) => {
      const keys: RngKey[] = [];
      const store = await trained(device, () => watched(hazardTask(), { keys }), steps);
      const { snapshot } = (await dataOf(store, "SnapshotTaken")).at(-1)!;
      const { groups } = await orThrow(store.snapshots.get(snapshot));
      assert.deepEqual(Object.keys(groups).sort(), ["model", "optimizer"]);
      return keys;
    };
    const whole = await keysOf([]);
    assert.equal(new Set(whole.map(({ hi, lo }) => `${hi}:${lo}`)).size, STEPS * PASSES);
    assert.deepEqual(await keysOf([2, 5]), whole);
  },
);

backendTest(
  "cpu",
  "no number of a training comes from Math.random",
  async (device) => {
    const random = Math.random;
    let drawn = 0;
    Math.random = () => (drawn++, random());
    try {
      const store = await trained(device, () => hazardTask(), [5]);
      assert.ok((await eventsOf(store)).length > STEPS);
    } finally {
      Math.random = random;
    }
    assert.equal(drawn, 0);
  },
);

/** Draws from every generator that a process has. */
function drawEverywhere(): void {
  Math.random();
  crypto.getRandomValues(new Uint32Array(1));
  uniform(key(3), 5);
  normal(key(3), 5);
  tf.tidy(() => void [tf.randomNormal([3]), dropout(tf.ones([3]), 0.5, key(3))]);
}

function drawingInEvaluation(task: Task): Task {
  const { data, loss } = task.evaluation!;
  return {
    ...task,
    evaluation: {
      data,
      loss(params, batch) {
        drawEverywhere();
        return loss(params, batch);
      },
    },
  };
}
