import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  attempt,
  defaultConfig,
  type Environment,
  evolve,
  initialState,
  type RunCommand,
  type RunError,
  type RunEvent,
} from "foldlog";
import { historyDigest, NO_HISTORY } from "../../src/codec/history_digest.ts";
import {
  type Recorder,
  recorderFrom,
  type RecorderStart,
} from "../../src/app/training/recorder.ts";

const environment: Environment = {
  backend: "cpu",
  adapter: "JavaScript",
  tfjs: "4.22.0",
  runtime: "deno",
  platform: "x86_64-linux",
};
const started: RunEvent = {
  type: "RunStarted",
  data: {
    task: "test",
    config: { ...defaultConfig, steps: { max: 9 } },
    data: { name: "data", samples: 4, digest: digest("a") },
    environment,
    state: digest("b"),
  },
};
const elsewhere = { ...environment, backend: "wasm" };
const resume: RunCommand = {
  type: "ResumeRun",
  data: { environment: elsewhere, acceptEnvironment: true },
};
const resumed: RunEvent = { type: "RunResumed", data: { step: 0, environment: elsewhere } };

Deno.test("record() compares while the log has events, then appends", async () => {
  const { recorder, log } = recording({ pending: [stepTaken(1)] });
  await recorder.record(recordStep(1));
  assert.deepEqual([recorder.compared(), log], [1, []]);
  await recorder.record(recordStep(2));
  assert.deepEqual([recorder.compared(), log], [1, [stepTaken(2)]]);
  assert.equal(recorder.state().step, 2);
});

Deno.test("record() adds what a crash cut off between the events of one append", async () => {
  const { recorder, log } = recording({ pending: [stepTaken(1, 1)] });
  await recorder.record(recordStep(1, 1));
  assert.deepEqual(log, [{ type: "EpochCompleted", data: { step: 1, epoch: 0 } }]);
});

Deno.test("record() records the opening command once, before anything that it adds", async () => {
  const { recorder, log } = recording({ pending: [], onHead: resume });
  await recorder.record(recordStep(1));
  await recorder.record(recordStep(2));
  assert.deepEqual(log, [resumed, stepTaken(1), stepTaken(2)]);

  const torn = recording({ pending: [stepTaken(1, 1)], onHead: resume });
  await torn.recorder.record(recordStep(1, 1));
  assert.deepEqual(torn.log.map(({ type }) => type), ["RunResumed", "EpochCompleted"]);
});

Deno.test("record() passes over the marks of an interruption, but not over what it saved", async () => {
  const paused: RunEvent = { type: "RunPaused", data: { step: 1, reason: "until" } };
  const data = { step: 1, snapshot: digest("c"), state: digest("d"), reason: "paused" } as const;
  const saved: RunEvent = { type: "SnapshotTaken", data };
  const { recorder, log } = recording({ pending: [stepTaken(1), saved, paused] });
  await recorder.record(recordStep(1));
  assert.deepEqual(recorder.next(), saved);
  await recorder.record({ type: "RecordSnapshot", data });
  assert.deepEqual([recorder.next(), recorder.compared(), log], [undefined, 2, []]);
  assert.equal(recorder.state().status, "paused");
});

Deno.test("history() is the digest of what was computed, compared or appended", async () => {
  const events = [started, stepTaken(1), stepTaken(2)];
  const whole = events.reduce(historyDigest, NO_HISTORY);
  for (const pending of [[], events.slice(1, 2), events.slice(1)]) {
    const { recorder } = recording({ pending });
    await recorder.record(recordStep(1));
    await recorder.record(recordStep(2));
    assert.equal(recorder.history(), whole);
  }
  const data = { step: 2, snapshot: digest("c"), state: digest("d"), reason: "scheduled" } as const;
  const { recorder } = recording({ pending: events.slice(1) });
  await recorder.record(recordStep(1));
  await recorder.record(recordStep(2));
  await recorder.record({ type: "RecordSnapshot", data });
  await recorder.record({ type: "PauseRun", data: { reason: "until" } });
  assert.equal(recorder.history(), whole);
});

Deno.test("record() names the members that differ, and appends nothing", async () => {
  const { recorder, log } = recording({ pending: [stepTaken(1, 0, NaN)], onHead: resume });
  const error = await failureOf(recorder, recordStep(1, 0, -0));
  assert.ok(error.type === "Diverged");
  assert.deepEqual([error.step, error.members, error.leaves], [1, ["loss"], []]);
  assert.deepEqual([recorder.compared(), recorder.state().step, log], [0, 0, []]);
});

Deno.test("record() compares numbers by their bits", async () => {
  for (const loss of [NaN, -0, 0, Infinity, 5e-324]) {
    const { recorder } = recording({ pending: [stepTaken(1, 0, loss)] });
    await recorder.record(recordStep(1, 0, loss));
    assert.equal(recorder.compared(), 1);
  }
  const { recorder } = recording({ pending: [stepTaken(1, 0, 0)] });
  assert.equal((await failureOf(recorder, recordStep(1, 0, -0))).type, "Diverged");
});

Deno.test("record() tells another type of event from another value", async () => {
  const { recorder } = recording({
    pending: [{ type: "EvaluationTaken", data: { step: 0, loss: 1, samples: 2 } }],
  });
  const error = await failureOf(recorder, recordStep(1));
  assert.ok(error.type === "Diverged");
  assert.deepEqual([error.step, error.members], [0, ["type"]]);
});

Deno.test("record() without a log to append to leaves out what the log does not have", async () => {
  const state = evolve(initialState, started);
  const recorder = recorderFrom({ state, history: NO_HISTORY, pending: [stepTaken(1, 1)] });
  assert.equal(recorder.ended(), false);
  await recorder.record(recordStep(1, 1));
  assert.deepEqual([recorder.compared(), recorder.next()], [1, undefined]);
  assert.equal(recorder.ended(), true);
});

/** A recorder at step 0, and the events that it appended. */
function recording(
  { pending, onHead }: Pick<RecorderStart, "pending"> & { readonly onHead?: RunCommand },
) {
  const appended: RunEvent[] = [];
  const log = {
    append: (events: readonly RunEvent[]) => Promise.resolve(void appended.push(...events)),
    flush: () => Promise.resolve(),
  };
  const state = evolve(initialState, started);
  const history = historyDigest(NO_HISTORY, started);
  const head = pending.reduce(evolve, state);
  const opening = { head, commands: onHead ? [onHead] : [] };
  return { recorder: recorderFrom({ state, history, log, pending, opening }), log: appended };
}

async function failureOf(recorder: Recorder, command: RunCommand): Promise<RunError> {
  const result = await attempt<RunError, void>(() => recorder.record(command))();
  assert.ok(E.isLeft(result), "expected a failure");
  return result.left;
}

function recordStep(step: number, epoch = 0, loss = 1): RunCommand {
  return { type: "RecordStep", data: stepData(step, epoch, loss) };
}

function stepTaken(step: number, epoch = 0, loss = 1): RunEvent {
  return { type: "StepTaken", data: stepData(step, epoch, loss) };
}

function stepData(step: number, epoch: number, loss: number) {
  return { step, epoch, index: 0, batch: digest("e"), loss, gradNorm: 1, learningRate: 0.1 };
}

function digest(digit: string): string {
  return digit.repeat(64);
}
