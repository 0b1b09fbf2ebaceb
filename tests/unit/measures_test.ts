import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  describeError,
  type Device,
  type Measures,
  memoryStore,
  orThrow,
  readRun,
  replayRun,
  type Store,
  type Task,
  trainRun,
} from "foldlog";
import { decodeEvent, encodeEvent } from "foldlog/codec";
import * as tf from "foldlog/tf";
import { backendTest } from "../support/backends.ts";
import { evaluatedTask as evaluated, RUN } from "../support/evaluated_task.ts";

type MeasuresOf = NonNullable<NonNullable<Task["evaluation"]>["measures"]>;

backendTest("cpu", "a measure is the mean of what the held-out batches have", async (device) => {
  const store = memoryStore();
  const measures: MeasuresOf = (_, { x }) => ({
    third: tf.div(tf.mean(x!), 3),
    highest: tf.max(x!),
  });
  await orThrow(trainRun({ store, device }, RUN, evaluatedTask(measures)));
  // Two batches, of [1, 2] and [3, 4]: their means are 1.5 and 3.5.
  const third = (Math.fround(1.5 / 3) + Math.fround(3.5 / 3)) / 2;
  assert.deepEqual(await measuredBy(store), [
    { step: 2, measures: { highest: 3, third } },
    { step: 4, measures: { highest: 3, third } },
  ]);
  const { state } = await orThrow(readRun(store, RUN));
  assert.deepEqual(state.lastEvaluation?.measures, { highest: 3, third });
});

backendTest(
  "cpu",
  "what is measured is the average of the parameters, where one is kept",
  async (device) => {
    const measures: MeasuresOf = (params) => params as { readonly w: tf.Scalar };
    const averages: number[] = [];
    for (const decay of [0, 0.5]) {
      const store = memoryStore();
      const task = evaluatedTask(measures);
      await orThrow(trainRun({ store, device }, RUN, task, { config: { ema: { decay } } }));
      const { state } = await orThrow(readRun(store, RUN));
      const { groups } = await orThrow(store.snapshots.get(state.snapshots.at(-1)!.snapshot));
      const [w] = (groups["ema"] ?? groups["model"])!.get("w")!.data;
      assert.equal(state.lastEvaluation!.measures!["w"], w);
      averages.push(w!);
    }
    assert.notEqual(averages[0], averages[1]);
  },
);

backendTest(
  "cpu",
  "a measure that counts its calls diverges where the run goes on",
  async (device) => {
    let calls = 0;
    const counting: MeasuresOf = () => ({ calls: tf.scalar(++calls) });
    const store = memoryStore();
    await orThrow(trainRun({ store, device }, RUN, evaluatedTask(counting), { until: 3 }));
    const { problems } = await orThrow(replayRun({ store, device }, RUN, evaluatedTask(counting)));
    assert.equal(problems[0]?.type, "Diverged");
    assert.equal(problems[0]?.step, 2);
    assert.match(problems[0]!.message, /measures/);
    const sound: MeasuresOf = () => ({ calls: tf.scalar(1) });
    const again = memoryStore();
    await orThrow(trainRun({ store: again, device }, RUN, evaluatedTask(sound), { until: 3 }));
    const replayed = await orThrow(replayRun({ store: again, device }, RUN, evaluatedTask(sound)));
    assert.deepEqual(replayed.problems, []);
  },
);

backendTest(
  "cpu",
  "what cannot be the name of a measure fails the run, with what a name is",
  async (device) => {
    for (const name of ["", "top 5", "1st", "__proto__", "a".repeat(65)]) {
      const named: MeasuresOf = () => Object.fromEntries([[name, tf.scalar(1)]]);
      const message = await failureOf(device, named);
      assert.match(message, /Expected the name of a measure to be a letter, and then up to 63/);
      assert.ok(message.includes(JSON.stringify(name)), message);
    }
  },
);

backendTest(
  "cpu",
  "every batch has the measures of the first, or the run fails with both",
  async (device) => {
    for (const [first, second] of [["a", "b"], ["a", ""], ["", "a"]] as const) {
      let batches = 0;
      const changing: MeasuresOf = () => {
        const name = batches++ === 0 ? first : second;
        return name === "" ? {} : { [name]: tf.scalar(1) };
      };
      const message = await failureOf(device, changing);
      assert.match(message, new RegExp(`measures ${first || "none"}, found ${second || "none"}`));
    }
  },
);

backendTest("cpu", "a task that measures nothing records no measures", async (device) => {
  const store = memoryStore();
  await orThrow(trainRun({ store, device }, RUN, evaluatedTask(() => ({}))));
  assert.deepEqual(await measuredBy(store), [{ step: 2 }, { step: 4 }]);
});

Deno.test("decodeEvent() refuses measures of no name, of other names, and of no number", () => {
  const event = { type: "EvaluationTaken", data: { step: 1, loss: 1, samples: 2 } } as const;
  const decoded = (measures: unknown) =>
    decodeEvent({ ...event, data: { ...event.data, measures } });
  for (const measures of [{}, { "a b": 1 }, { a: "one" }, [1], null]) {
    assert.ok(E.isLeft(decoded(measures)), JSON.stringify(measures));
  }
  const measured = { ...event, data: { ...event.data, measures: { accuracy: NaN } } };
  assert.deepEqual(decodeEvent(encodeEvent(measured)), E.right(measured));
});

function evaluatedTask(measures: MeasuresOf): Task {
  const task = evaluated();
  return { ...task, evaluation: { ...task.evaluation!, measures } };
}

/** What the evaluations of the run say, without their losses. */
async function measuredBy(
  store: Store,
): Promise<readonly { readonly step: number; readonly measures?: Measures }[]> {
  const { events } = await orThrow(readRun(store, RUN));
  return events.flatMap(({ event }) => {
    if (event.type !== "EvaluationTaken") return [];
    const { loss: _, samples: __, ...rest } = event.data;
    return [rest];
  });
}

async function failureOf(device: Device, measures: MeasuresOf): Promise<string> {
  const result = await trainRun({ store: memoryStore(), device }, RUN, evaluatedTask(measures))();
  assert.ok(E.isLeft(result) && result.left.type === "TaskFailed");
  return describeError(result.left);
}
