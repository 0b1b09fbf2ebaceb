import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  collectGarbage,
  describeError,
  type Device,
  materialize,
  memoryStore,
  orThrow,
  readRun,
  replayRun,
  resumeRun,
  type RunEvent,
  samplesShown,
  type SamplesTaken,
  type Store,
  type Task,
  trainRun,
  verifyRun,
} from "foldlog";
import * as tf from "foldlog/tf";
import { sha256 } from "foldlog/codec";
import { backendTest } from "../support/backends.ts";
import { dyingAt } from "../support/dying_at.ts";
import { RUN } from "../support/evaluated_task.ts";
import { forged } from "../support/forged.ts";
import { sampledTask, slopeFiles } from "../support/sampled_task.ts";

backendTest(
  "cpu",
  "each evaluation is followed by its samples, whose bytes are in the store",
  async (device) => {
    const store = await trained(device);
    const events = await eventsOf(store);
    const taken = events.filter(({ type }) => type === "SamplesTaken") as readonly SamplesTaken[];
    assert.deepEqual(taken.map(({ data }) => data.step), [2, 4]);
    for (const event of taken) {
      const { step, samples } = event.data;
      assert.deepEqual(events[events.indexOf(event) - 1]!.type, "EvaluationTaken");
      assert.deepEqual(samples.map(({ name }) => name), [
        `step_${step}_slope.bin`,
        `step_${step}_slope.txt`,
      ]);
      for (const { digest, bytes } of samples) {
        const file = await orThrow(store.sources.get(digest));
        assert.deepEqual([sha256(file), file.length], [digest, bytes]);
      }
    }
    const report = await orThrow(verifyRun(store, RUN));
    assert.deepEqual([report.problems, report.samples], [[], 4]);
  },
);

backendTest(
  "cpu",
  "samples are of the average of the parameters, where one is kept",
  async (device) => {
    const config = { ema: { decay: 0.5 } };
    const store = await trained(device, sampledTask(config));
    const { state, events } = await orThrow(readRun(store, RUN));
    const { groups } = await orThrow(store.snapshots.get(state.snapshots.at(-1)!.snapshot));
    const slope = groups["ema"]!.get("w")!.data;
    const { digest } = samplesShown(events).find(({ name }) => name === "step_4_slope.bin")!;
    assert.equal(digest, sha256(new Uint8Array(slope.slice().buffer)));
  },
);

backendTest(
  "cpu",
  "a sampler that counts its calls diverges where the run goes on, and in a replay",
  async (device) => {
    let calls = 0;
    const counting: Task = {
      ...sampledTask(),
      artifacts: (_params, _key, _device, step) =>
        Promise.resolve([{ name: `step_${step}_a`, bytes: Uint8Array.of(++calls) }]),
    };
    const store = memoryStore();
    const { store: dying } = dyingAt(store, { operation: "append", of: "StepTaken", n: 2 });
    assert.ok(E.isLeft(await trainRun({ store: dying, device }, RUN, counting)()));
    const result = await trainRun({ store, device }, RUN, counting)();
    assert.ok(E.isLeft(result) && result.left.type === "Diverged");
    const { step, members, expected } = result.left;
    assert.deepEqual([step, members, expected.type], [2, ["samples"], "SamplesTaken"]);
    const { problems } = await orThrow(replayRun({ store, device }, RUN, counting));
    assert.deepEqual(problems.map(({ type, step }) => [type, step]), [["Diverged", 2]]);
    assert.match(problems[0]!.message, /samples/);
  },
);

backendTest(
  "cpu",
  "samples with names that lead elsewhere, are another step's or the same fail the run",
  async (device) => {
    const fails = async (names: readonly string[], message: RegExp) => {
      const task: Task = {
        ...sampledTask(),
        artifacts: () => Promise.resolve(names.map((name) => ({ name, bytes: new Uint8Array() }))),
      };
      const store = memoryStore();
      const result = await trainRun({ store, device }, RUN, task)();
      assert.ok(E.isLeft(result) && result.left.type === "TaskFailed");
      assert.match(describeError(result.left), message);
      assert.equal((await orThrow(readRun(store, RUN))).state.status, "failed");
    };
    for (const name of ["../step_2_a", "step_2_/a", "/step_2_a", "..", "", "step_2_\\a"]) {
      await fails([name], /expected the name of a sample to be a letter or a digit, and then/);
    }
    await fails(["step_20_a"], /of step 2 to begin with step_2_, found step_20_a/);
    await fails(["step_2_a", "step_2_a"], /found two step_2_a: name it otherwise in the task's/);
  },
);

backendTest(
  "cpu",
  "a process that dies as it takes samples leaves nothing wrong, and the next takes them",
  async (device) => {
    const expected = await eventsOf(await trained(device));
    for (const operation of ["sources", "show", "append"] as const) {
      for (const effect of ["none", "whole"] as const) {
        const store = memoryStore();
        const dying = dyingAt(store, { operation, of: "SamplesTaken", n: 0, effect });
        assert.ok(E.isLeft(await trainRun({ store: dying.store, device }, RUN, sampledTask())()));
        assert.ok(dying.died(), `${operation} ${effect}`);
        assert.deepEqual((await orThrow(verifyRun(store, RUN))).problems, []);
        await orThrow(collectGarbage(store)); // of what no event names
        await orThrow(trainRun({ store, device }, RUN, sampledTask()));
        assert.deepEqual(await eventsOf(store), expected, `${operation} ${effect}`);
        assert.deepEqual((await orThrow(verifyRun(store, RUN))).problems, []);
      }
    }
  },
);

backendTest(
  "cpu",
  "a run that takes samples of a step again shows the live ones, and keeps the others",
  async (device) => {
    const store = await trained(device);
    const before = samplesShown((await orThrow(readRun(store, RUN))).events);
    const config = { optimizer: { learningRate: 0.03125 } };
    await orThrow(resumeRun({ store, device }, RUN, sampledTask(), { at: 2, config }));
    const { events } = await orThrow(readRun(store, RUN));
    const after = samplesShown(events);
    assert.deepEqual(after.map(({ name }) => name), before.map(({ name }) => name));
    const changed = after.filter(({ digest }, index) => digest !== before[index]!.digest);
    assert.deepEqual(changed.map(({ name }) => name), ["step_4_slope.bin", "step_4_slope.txt"]);
    assert.deepEqual(await orThrow(store.samples.check(RUN, after)), []);
    assert.equal((await orThrow(store.samples.check(RUN, before))).length, 2);
    (await orThrow(store.sources.put([new Uint8Array(3)]))).release(); // which nobody names
    assert.equal((await orThrow(collectGarbage(store))).objects, 1);
    for (const { digest } of [...before, ...after]) await orThrow(store.sources.get(digest));
    assert.deepEqual((await orThrow(verifyRun(store, RUN))).problems, []);
  },
);

backendTest(
  "cpu",
  "a forged sample is found by a replay, however well the log is made anew",
  async (device) => {
    const store = await trained(device);
    const picture = new TextEncoder().encode("a better picture");
    const digest = sha256(picture);
    const event = (event: RunEvent): RunEvent => {
      if (event.type !== "SamplesTaken" || event.data.step !== 2) return event;
      const [first, second] = event.data.samples;
      const better = { ...first!, digest, bytes: picture.length };
      return { ...event, data: { step: 2, samples: [better, second!] } };
    };
    const copy = await forged(store, { event }, memoryStore(), { from: RUN, to: RUN });
    for (const name of (await orThrow(readRun(store, RUN))).state.sampleFiles!) {
      (await orThrow(copy.sources.put([await orThrow(store.sources.get(name))]))).release();
    }
    const [lost] = (await orThrow(verifyRun(copy, RUN))).problems;
    assert.deepEqual([lost?.type, lost?.step], ["SampleUnreadable", 2]);
    (await orThrow(copy.sources.put([picture]))).release();
    assert.deepEqual((await orThrow(verifyRun(copy, RUN))).problems, []);
    const { problems } = await orThrow(replayRun({ store: copy, device }, RUN, sampledTask()));
    assert.deepEqual(problems.map(({ type, step }) => [type, step]), [["Diverged", 2]]);
  },
);

backendTest("cpu", "an archived run keeps its samples too", async (device) => {
  const store = await trained(device);
  const samples = samplesShown((await orThrow(readRun(store, RUN))).events);
  await orThrow(store.log.archive(RUN));
  assert.equal((await orThrow(collectGarbage(store))).objects, 0);
  for (const { digest } of samples) await orThrow(store.sources.get(digest));
});

backendTest(
  "cpu",
  "a step is not materialized where its samples are still to be recorded",
  async (device) => {
    const store = memoryStore();
    const { store: dying } = dyingAt(store, { operation: "append", of: "SamplesTaken", n: 0 });
    assert.ok(E.isLeft(await trainRun({ store: dying, device }, RUN, sampledTask())()));
    const refused = await materialize({ store, device }, RUN, sampledTask(), 2)();
    assert.ok(E.isLeft(refused) && refused.left.type === "NoPlace");
    assert.match(refused.left.reason, /it died before all of that step was recorded/);
  },
);

backendTest("cpu", "a task may make no sample at an evaluation, and says so", async (device) => {
  const none: Task = {
    ...sampledTask(),
    artifacts: async (params, key, device, step) =>
      step === 2 ? [] : await slopeFiles(params, key, device, step),
  };
  const store = await trained(device, none);
  const taken = (await eventsOf(store)).filter(({ type }) => type === "SamplesTaken");
  assert.deepEqual(taken[0]!.data, { step: 2, samples: [] });
  assert.equal((await orThrow(verifyRun(store, RUN))).samples, 2);
  const { problems } = await orThrow(replayRun({ store, device }, RUN, none));
  assert.deepEqual(problems, []);
});

backendTest("cpu", "the key of samples is the same at every evaluation", async (device) => {
  const keys: unknown[] = [];
  const task: Task = {
    ...sampledTask(),
    artifacts: (_params, key) => {
      keys.push(key);
      return Promise.resolve([]);
    },
  };
  await trained(device, task);
  await trained(device, { ...task, config: { ...task.config, seed: 1 } });
  assert.equal(keys.length, 4);
  assert.deepEqual(keys[0], keys[1]);
  assert.notDeepEqual(keys[1], keys[2]);
});

backendTest("cpu", "samples change no bit of the training", async (device) => {
  const { artifacts: _, ...plain } = sampledTask();
  const weights = await Promise.all([sampledTask(), plain].map(async (task) => {
    const { state } = await orThrow(readRun(await trained(device, task), RUN));
    return state.snapshots.map((ref) => ref.state);
  }));
  assert.deepEqual(weights[0], weights[1]);
  assert.equal(tf.getBackend(), "cpu");
});

async function trained(device: Device, task: Task = sampledTask()): Promise<Store> {
  const store = memoryStore();
  await orThrow(trainRun({ store, device }, RUN, task));
  return store;
}

async function eventsOf(store: Store): Promise<readonly RunEvent[]> {
  return (await orThrow(readRun(store, RUN))).events.map(({ event }) => event);
}
