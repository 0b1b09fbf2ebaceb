import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import fc from "fast-check";
import {
  type DataFile,
  dataOrder,
  defaultConfig,
  describeError,
  evolve,
  fileProgress,
  filesName,
  forkRun,
  initialState,
  isSameData,
  key,
  type LeftOut,
  memoryStore,
  type Notice,
  orThrow,
  readRun,
  resumeRun,
  type RunEvent,
  type RunState,
  runSummary,
  startOfData,
  type Task,
  type TaskSource,
  trainRun,
} from "foldlog";
import { decodeEvent, eventText } from "../../src/codec/event_codec.ts";
import { backendTest } from "../support/backends.ts";
import { tenSteps } from "../support/ten_steps.ts";

const files = fc.array(fc.nat(5), { minLength: 1, maxLength: 6 })
  .filter((counts) => counts.some((count) => count > 0));

Deno.test("a run in order has done the files that lie before its cursor, in every epoch anew", () => {
  fc.assert(fc.property(files, fc.nat(60), (counts, taken) => {
    const samples = counts.reduce((sum, count) => sum + count, 0);
    const order = dataOrder({ samples, key: key(1), shuffle: false });
    const cursor = order.advance(startOfData, taken);
    let [done, end] = [0, 0];
    for (const count of counts) {
      end += count;
      if (end <= taken % samples) done += 1;
    }
    const state = stateAt(counts, cursor);
    assert.deepEqual(fileProgress(state), { done, of: counts.length });
    const name = `checkpoint-epoch${cursor.epoch}-step7-files${done}`;
    assert.equal(filesName(state)?.({ step: 7, cursor }), name);
    const { filesDone, files } = runSummary(state);
    assert.deepEqual([filesDone, files], [done, counts.length]);
  }));
});

Deno.test("a fork without samples has done a file of which no more samples follow", () => {
  const leftOut = { samples: [3, 6], places: [{ epoch: 0, index: 4, count: 2 }] };
  const done = (index: number) => fileProgress(stateAt([2, 2, 2, 3], { epoch: 0, index }, leftOut));
  // What stays is 0 1 | 2 | | 7 8: samples 3 to 6 are passed over.
  assert.deepEqual([0, 1, 2, 3, 4].map((index) => done(index)?.done), [0, 0, 1, 3, 3]);
});

Deno.test("nobody knows how many files are done where they are shuffled, and there are none to do without files", () => {
  const cursor = { epoch: 0, index: 2 };
  const state = stateAt([2, 2], cursor);
  const shuffled = { ...state, config: { ...state.config!, data: { shuffle: true } } };
  const { filesDone, files } = runSummary(shuffled);
  assert.deepEqual([filesDone, files], [null, 2]);
  assert.equal(filesName(shuffled), undefined);
  const { files: _, ...data } = state.data!;
  assert.deepEqual(fileProgress({ ...state, data }), undefined);
  assert.equal(runSummary({ ...state, data }).files, null);
});

Deno.test("data is the same where its contents and its files' samples are, whatever they are called", () => {
  const named = { name: "a", samples: 4, digest: "0".repeat(64) };
  const split = (...counts: number[]) => ({ ...named, files: filesOf(counts) });
  const renamed = { ...split(1, 3), files: [...filesOf([1])!, { name: "new", samples: 3 }] };
  assert.ok(isSameData(split(1, 3), renamed));
  assert.ok(isSameData(named, split(1, 3)) && isSameData(split(1, 3), named)); // an old log has none
  assert.ok(!isSameData(split(1, 3), split(3, 1)));
  assert.ok(!isSameData(split(1, 3), split(1, 3, 0)));
  assert.ok(!isSameData(split(4), { ...split(4), digest: "1".repeat(64) }));
});

Deno.test("a log whose files have not the samples of its data is damaged", () => {
  const started = JSON.parse(eventText(begun([3, 4])));
  assert.ok(E.isRight(decodeEvent(started)));
  started.data.data.files[1].samples = 5;
  const decoded = decodeEvent(started);
  assert.deepEqual(decoded, E.left("expected files of 7 samples together, found 8"));
});

backendTest(
  "cpu",
  "a resume says how many files are done, and takes them under other names",
  async (device) => {
    const store = memoryStore();
    const notices: Notice[] = [];
    const env = {
      store,
      device,
      reporter: { report: (notice: Notice) => void notices.push(notice) },
    };
    await orThrow(trainRun(env, "a", inFiles([3, 5]), { until: 2 })); // 4 of 8 samples
    const other = inFiles([3, 5], (number) => `moved-${number}`);
    await orThrow(resumeRun(env, "a", other));
    const resumed = notices.find(({ type }) => type === "Resumed");
    assert.ok(resumed?.type === "Resumed");
    assert.deepEqual(resumed.files, { done: 1, of: 2 });
    const { state } = await orThrow(readRun(store, "a"));
    assert.deepEqual(state.data?.files?.map(({ name }) => name), ["file-0", "file-1"]);
  },
);

backendTest(
  "cpu",
  "a resume of samples that lie otherwise in files is refused and named",
  async (device) => {
    const env = { store: memoryStore(), device };
    await orThrow(trainRun(env, "a", inFiles([3, 5]), { until: 2 }));
    const refused = await resumeRun(env, "a", inFiles([4, 4]))();
    assert.ok(E.isLeft(refused) && refused.left.type === "DataDiffers");
    const message = describeError(refused.left);
    assert.match(message, /number 1: expected 3 in "file-0", found 4 in "file-0"\./);
    const source: TaskSource = ({ seed }) => inFiles(seed === 42 ? [3, 5] : [4, 4]);
    const forked = await orThrow(forkRun(env, "a", "b", source, { config: { seed: 7 } }));
    assert.ok(forked.otherData);
  },
);

backendTest("cpu", "a task whose files have not its samples is none", async (device) => {
  const env = { store: memoryStore(), device };
  const refused = await trainRun(env, "a", inFiles([3, 4]))();
  assert.ok(E.isLeft(refused) && refused.left.type === "NoTask");
  assert.match(refused.left.message, /expected files of 8 samples together, found 7/);
  assert.deepEqual(await orThrow(env.store.log.runs()), []);
});

function filesOf(
  counts: readonly number[],
  name = (number: number) => `file-${number}`,
): readonly DataFile[] {
  return counts.map((samples, number) => ({ name: name(number), samples }));
}

/** `tenSteps` with its eight samples in files, read in order. */
function inFiles(counts: readonly number[], name?: (number: number) => string): Task {
  const { data, config } = tenSteps;
  return {
    ...tenSteps,
    config: { ...config, data: { shuffle: false } },
    data: { ...data, identity: { ...data.identity, files: filesOf(counts, name) } },
  } as Task;
}

function begun(counts: readonly number[], leftOut?: LeftOut): RunEvent {
  const samples = counts.reduce((sum, count) => sum + count, 0);
  const digest = "0".repeat(64);
  const parent = { run: "p", step: 0, state: digest, history: digest, envelope: digest };
  return {
    type: "RunStarted",
    data: {
      task: "files",
      config: { ...defaultConfig, data: { shuffle: false } },
      data: { name: "files", samples, digest, files: filesOf(counts) },
      environment: { backend: "cpu", adapter: "", tfjs: "", runtime: "", platform: "" },
      state: digest,
      ...(leftOut && {
        origin: {
          parent,
          takes: "weights" as const,
          snapshot: digest,
          step: 0,
          ...startOfData,
          leftOut,
        },
      }),
    },
  };
}

function stateAt(
  counts: readonly number[],
  cursor: { readonly epoch: number; readonly index: number },
  leftOut?: LeftOut,
): RunState {
  return { ...evolve(initialState, begun(counts, leftOut)), cursor };
}
