import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import type { RunCommand } from "../../src/core/command.ts";
import { decide } from "../../src/core/decide.ts";
import type { RunEvent, RunStarted, StepTaken } from "../../src/core/event.ts";
import { evolve, initialState } from "../../src/core/evolve.ts";
import { factsOf, keptSnapshots, type RunState } from "../../src/core/run_state.ts";
import { goldenEvents } from "../golden/golden_run.ts";

/** Plan: 4 steps on "cpu". */
const started = goldenEvents[0] as RunStarted;
const { environment } = started.data;
const STATUSES = ["absent", "running", "paused", "failed", "completed"] as const;

const base: readonly RunEvent[] = [started, taken(1), saved(1), taken(2), taken(3), saved(3)];
const past = fold(base.slice(0, 3));
const back: RunEvent = {
  type: "RunRewound",
  data: { step: 1, position: 3, history: "0".repeat(64), facts: factsOf(past) },
};

Deno.test("evolve() goes back to what the run was, and keeps what it left", () => {
  const { version, abandoned, ...state } = fold([...base, back]);
  const { version: _, ...before } = past;
  assert.deepEqual(state, before);
  assert.equal(version, base.length + 1);
  assert.deepEqual(abandoned?.map(({ step, position }) => [step, position]), [[3, 5]]);
});

Deno.test("a snapshot at the very position that a run goes back to is left: events before it count", () => {
  const to5 = { ...back.data, step: 3, position: 5 };
  const state = fold([...base, { type: "RunRewound", data: to5 }]);
  assert.deepEqual(state.snapshots.map(({ step }) => step), [1]);
  assert.deepEqual(state.abandoned?.map(({ step }) => step), [3]);
});

Deno.test("a run that is complete or paused runs again where it goes back", () => {
  for (const end of ["RunCompleted", "RunPaused", "RunFailed"] as const) {
    const mark = { type: end, data: { step: 3, reason: "until", message: "" } } as RunEvent;
    assert.equal(fold([...base, mark, back]).status, "running", end);
  }
});

Deno.test("a snapshot that a branch takes as one before it did is of the live branch alone", () => {
  const again = fold([...base, back, taken(2), taken(3), saved(3)]);
  assert.deepEqual(again.snapshots.map(({ step, position }) => [step, position]), [[1, 2], [3, 9]]);
  assert.equal(again.abandoned, undefined);
  const other = fold([...base, back, taken(2), taken(3), saved(3, "f")]);
  assert.deepEqual(other.abandoned?.map(({ step }) => step), [3]);
  assert.deepEqual(keptSnapshots(other).map(({ position }) => position), [2, 9, 5]);
});

Deno.test("the samples of a branch that was left are still named", () => {
  const sampled = (step: number, digit: string): RunEvent => {
    const sample = { name: `step_${step}_a`, digest: digit.repeat(64), bytes: 1 };
    return { type: "SamplesTaken", data: { step, samples: [sample] } };
  };
  const state = fold([...base, sampled(3, "a"), back, taken(2), taken(3), sampled(3, "b")]);
  assert.deepEqual(state.sampleFiles, ["a", "b"].map((digit) => digit.repeat(64)));
  assert.equal("sampleFiles" in factsOf(state), false);
});

Deno.test("what branches left gathers, and is pruned by step and digest", () => {
  const twice = fold([...base, back, taken(2), saved(2, "e"), back]);
  assert.deepEqual(twice.abandoned?.map(({ step }) => step), [3, 2]);
  const pruned = evolve(twice, prunedEvent(3));
  assert.deepEqual(pruned.abandoned?.map(({ step }) => step), [2]);
  assert.deepEqual(pruned.snapshots, twice.snapshots);
  assert.equal(evolve(pruned, prunedEvent(2, "e")).abandoned, undefined);
  assert.deepEqual(evolve(pruned, prunedEvent(2, "d")).abandoned, pruned.abandoned);
});

Deno.test("a snapshot that was pruned is not kept again where the run goes back over its pruning", () => {
  const state = fold([...base, prunedEvent(1), back]);
  assert.deepEqual(state.snapshots, []);
});

Deno.test("a materialized snapshot is listed by its step, at the place of its state", () => {
  const state = fold([...base, materialized(2, 4)]);
  assert.deepEqual(state.snapshots.map(({ step, reason }) => [step, reason]), [
    [1, "scheduled"],
    [2, "materialized"],
    [3, "scheduled"],
  ]);
  const [, made] = state.snapshots;
  assert.deepEqual([made?.position, made?.cursor, made?.loss], [
    3,
    { epoch: 0, index: 2 },
    0.5,
  ]);
  assert.equal(state.step, 3);
  const kept = fold([...base, materialized(2, 4), {
    ...back,
    data: { ...back.data, position: 4 },
  }]);
  assert.deepEqual(kept.snapshots.map(({ step }) => step), [1, 2]); // it belongs to before the place
});

Deno.test("a fork begins at its parent's step, place and snapshot, and keeps them where it goes back", () => {
  const parent = { run: "first", step: 5, state: "", history: "", envelope: "" };
  const place = { step: 5, epoch: 2, index: 1 };
  const snapshot = "5".repeat(64);
  const origin = { parent, takes: "state", snapshot, ...place } as const;
  const state = fold([{ ...started, data: { ...started.data, origin } }]);
  assert.deepEqual([state.step, state.cursor, state.origin], [5, { epoch: 2, index: 1 }, origin]);
  assert.deepEqual(state.snapshots, [{
    position: 0,
    step: 5,
    snapshot,
    state: started.data.state,
    reason: "forked",
    cursor: { epoch: 2, index: 1 },
  }]);
  const data = { step: 5, position: 1, history: "0".repeat(64), facts: factsOf(state) };
  const again = [taken(6), saved(6), { type: "RunRewound", data } as RunEvent].reduce(
    evolve,
    state,
  );
  assert.deepEqual([again.step, again.origin, again.snapshots], [5, origin, state.snapshots]);
});

Deno.test("decide() goes back in a run that has begun, to what came before alone", () => {
  const command = { type: "RewindRun", data: back.data } as RunCommand;
  for (const status of STATUSES) {
    const decision = decide(command, { ...fold(base), status });
    if (status === "absent") assert.ok(E.isLeft(decision));
    else assert.deepEqual(decision, E.right([back]), status);
  }
  const nowhere = { ...back.data, step: 3, position: base.length } as const;
  const refused = decide({ type: "RewindRun", data: nowhere }, fold(base));
  assert.ok(E.isLeft(refused) && refused.left.type === "WrongStep");
});

Deno.test("decide() keeps a snapshot of an earlier step once, and of no later one", () => {
  const record = (event: RunEvent) =>
    ({ type: "RecordMaterialized", data: event.data }) as RunCommand;
  const state = fold(base);
  assert.deepEqual(decide(record(materialized(2, 4)), state), E.right([materialized(2, 4)]));
  assert.deepEqual(decide(record(materialized(1, 3)), state), E.right([]));
  const refused = decide(record(materialized(4, 6)), state);
  const error = { type: "WrongStep", command: "RecordMaterialized", expected: 3, actual: 4 };
  assert.deepEqual(refused, E.left(error));
  for (const status of STATUSES) {
    const decision = decide(record(materialized(2, 4)), { ...state, status });
    assert.equal(E.isRight(decision), status !== "absent", status);
  }
});

Deno.test("decide() goes on with a run that is complete where other settings make its plan longer", () => {
  const complete: RunState = { ...fold([...base, taken(4)]), status: "completed" };
  const resume = (max?: number): RunCommand => ({
    type: "ResumeRun",
    data: {
      environment,
      acceptEnvironment: false,
      ...(max && { config: { changes: { "steps.max": max }, class: "free" } }),
    },
  });
  assert.deepEqual(
    decide(resume(6), complete),
    E.right([
      { type: "RunResumed", data: { step: 4 } },
      { type: "ConfigChanged", data: { step: 4, changes: { "steps.max": 6 }, class: "free" } },
    ]),
  );
  for (const max of [undefined, 4]) {
    const refused = decide(resume(max), complete);
    assert.ok(E.isLeft(refused) && refused.left.type === "WrongStatus", String(max));
  }
});

Deno.test("a resume says first that it goes on, then under which code, then with which settings", () => {
  const changes = { "optimizer.learningRate": 0.5 };
  const code = "c".repeat(64);
  const wish = {
    environment,
    acceptEnvironment: false,
    code,
    config: { changes, class: "training" },
  } as const;
  const paused: RunState = { ...fold(base), status: "paused" };
  const decision = decide({ type: "ResumeRun", data: wish }, paused);
  const events = E.isRight(decision) ? decision.right : [];
  const types = events.map(({ type }) => type);
  assert.deepEqual(types, ["RunResumed", "CodeChanged", "ConfigChanged"]);
  const state = events.reduce(evolve, paused);
  assert.deepEqual([state.config?.optimizer.learningRate, state.code], [0.5, code]);
});

function fold(events: readonly RunEvent[]): RunState {
  return events.reduce(evolve, initialState);
}

function taken(step: number): StepTaken {
  const data = { step, epoch: 0, index: step, batch: "b".repeat(64), loss: 1 / step };
  return { type: "StepTaken", data: { ...data, gradNorm: 1, learningRate: 1 } };
}

function saved(step: number, digit = "a"): RunEvent {
  const digest = digit.repeat(63) + step;
  const data = { step, snapshot: digest, state: digest, reason: "scheduled" } as const;
  return { type: "SnapshotTaken", data };
}

function prunedEvent(step: number, digit = "a"): RunEvent {
  return { type: "SnapshotPruned", data: { step, snapshot: digit.repeat(63) + step } };
}

function materialized(step: number, position: number): RunEvent {
  const digest = "d".repeat(63) + step;
  const place = { position, epoch: 0, index: step };
  const data = { step, snapshot: digest, state: digest, ...place, loss: 1 / step };
  return { type: "SnapshotMaterialized", data };
}
