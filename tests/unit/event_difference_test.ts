import assert from "node:assert/strict";
import type { RunEvent, StepTaken } from "../../src/core/event.ts";
import type { Measures } from "../../src/core/measures.ts";
import { eventDifference } from "../../src/app/compare/event_difference.ts";
import { snapshotTaken, started, stepSkipped, stepTaken } from "../../src/testing/sample_events.ts";

const run: readonly RunEvent[] = [started, stepTaken(1), stepTaken(2), evaluation(2, 0.5)];

Deno.test("equal events have no difference", () => {
  assert.equal(eventDifference(run, structuredClone(run)), undefined);
  const strange = [...run, stepTaken(3, NaN), stepTaken(4, -0)];
  assert.equal(eventDifference(strange, structuredClone(strange)), undefined);
});

Deno.test("a difference has the step, the type and the members with both values", () => {
  const other = [started, stepTaken(1), stepTaken(2, NaN), evaluation(2, 0.6)];
  assert.deepEqual(eventDifference(run, other), {
    step: 2,
    a: "StepTaken",
    b: "StepTaken",
    members: [
      { name: "gradNorm", a: -2 / 3, b: "NaN" },
      { name: "learningRate", a: 2 / 21, b: "NaN" },
      { name: "loss", a: 2 / 3, b: "NaN" },
    ],
  });
});

Deno.test("a member that one event alone has differs", () => {
  const { data } = stepTaken(1) as StepTaken;
  const scaled: RunEvent = { type: "StepTaken", data: { ...data, lossScale: 2 } };
  assert.deepEqual(eventDifference([started, stepTaken(1)], [started, scaled])?.members, [
    { name: "lossScale", b: 2 },
  ]);
});

Deno.test("0 and -0 differ", () => {
  const found = eventDifference([started, stepTaken(1, 0)], [started, stepTaken(1, -0)]);
  assert.deepEqual(found?.members.find(({ name }) => name === "loss"), {
    name: "loss",
    a: 0,
    b: "-0",
  });
});

Deno.test("of several differences the one of the first step is told", () => {
  const other = [
    started,
    ...[1, 2, 3].map((step) => stepTaken(step, step * (step > 1 ? 9 : 1 / 3))),
  ];
  assert.equal(eventDifference([...run, stepTaken(3)], other)?.step, 2);
});

Deno.test("of one step the step itself comes first, whatever the order in the log", () => {
  const other = [started, stepTaken(1), evaluation(2, 0.6), stepTaken(2, 9)];
  assert.equal(eventDifference(run, other)?.a, "StepTaken");
  const evaluated = [started, stepTaken(1), stepTaken(2), evaluation(2, 0.6)];
  assert.equal(eventDifference(run, evaluated)?.a, "EvaluationTaken");
});

Deno.test("measures are compared where both runs have them", () => {
  const steps = [started, stepTaken(1)];
  const [a, b] = [0.5, 0.75].map((accuracy) => [...steps, evaluation(1, 1, { accuracy })]);
  const members = [{ name: "measures", a: { accuracy: 0.5 }, b: { accuracy: 0.75 } }];
  assert.deepEqual(eventDifference(a!, b!)?.members, members);
  assert.equal(eventDifference(a!, [...steps, evaluation(1, 1)]), undefined);
});

Deno.test("a step that is skipped in one run differs in its type too", () => {
  const a = [started, { ...stepSkipped(1, 2), type: "StepTaken" } as RunEvent];
  const found = eventDifference(a, [started, stepSkipped(1, 2)]);
  assert.deepEqual([found?.a, found?.b], ["StepTaken", "StepSkipped"]);
  const members = [{ name: "type", a: "StepTaken", b: "StepSkipped" }];
  assert.deepEqual(found?.members, members);
});

Deno.test("what one run alone has of evaluations, snapshots and fingerprints is no difference", () => {
  const steps = [started, stepTaken(1), stepTaken(2)];
  const more = [started, fingerprinted(1, "aa"), snapshotTaken(1), stepTaken(2), evaluation(2, 1)];
  assert.equal(eventDifference(steps, more), undefined);
  assert.equal(eventDifference(more, steps), undefined);
});

Deno.test("fingerprints and snapshots that both runs have are compared", () => {
  const fingerprints = [[started, fingerprinted(1, "aa")], [started, fingerprinted(1, "bb")]];
  const found = eventDifference(fingerprints[0]!, fingerprints[1]!);
  assert.deepEqual(found?.members.map(({ name }) => name), ["fingerprint"]);
  const snapshot = snapshotTaken(1);
  assert.ok(snapshot.type === "SnapshotTaken");
  const renamed = { ...snapshot, data: { ...snapshot.data, snapshot: "f".repeat(64) } };
  const another = { ...snapshot, data: { ...snapshot.data, state: "f".repeat(64) } };
  assert.equal(eventDifference([started, snapshot], [started, renamed]), undefined);
  const state = eventDifference([started, snapshot], [started, another]);
  assert.deepEqual(state?.members.map(({ name }) => name), ["state"]);
});

Deno.test("marks of interruptions and changes on which no bit depends do not count", () => {
  const marks: readonly RunEvent[] = [
    { type: "RunPaused", data: { step: 1, reason: "signal" } },
    { type: "RunResumed", data: { step: 1 } },
    { type: "ConfigChanged", data: { step: 1, changes: { "steps.max": 9 }, class: "free" } },
    { type: "CodeChanged", data: { step: 1, code: "f".repeat(64) } },
  ];
  assert.equal(eventDifference(run, run.toSpliced(2, 0, ...marks)), undefined);
});

Deno.test("a change of a setting that one run alone has is a difference, in the order of the steps", () => {
  const [one, other] = [change(1, 0.1), change(1, 0.2)];
  assert.deepEqual(eventDifference(run, run.toSpliced(2, 0, one)), {
    step: 1,
    b: "ConfigChanged",
    members: [],
  });
  const changed = eventDifference(run.toSpliced(2, 0, one), run.toSpliced(2, 0, other));
  assert.deepEqual(changed?.members.map(({ name }) => name), ["changes"]);
  const twice = eventDifference(run.toSpliced(2, 0, one), run.toSpliced(2, 0, one, other));
  assert.deepEqual(twice, { step: 1, b: "ConfigChanged", members: [] });
});

Deno.test("what follows the last step of the shorter run does not count", () => {
  const longer = [...run, stepTaken(3), change(3, 0.1)];
  assert.equal(eventDifference(run, longer), undefined);
  assert.equal(eventDifference(longer, run), undefined);
  assert.equal(eventDifference(longer, [...run, stepTaken(3)])?.step, 3);
});

Deno.test("how a run started is its task and its state; a fork is compared from its first step on", () => {
  assert.ok(started.type === "RunStarted");
  const { data } = started;
  const other: RunEvent = { type: "RunStarted", data: { ...data, state: "f".repeat(64) } };
  const { step, members } = eventDifference(run, [other, ...run.slice(1)])!;
  assert.deepEqual([step, members.map(({ name }) => name)], [0, ["state"]]);
  const elsewhere = { ...data, environment: { ...data.environment, backend: "wasm" } };
  const moved: RunEvent = { type: "RunStarted", data: elsewhere };
  assert.equal(eventDifference(run, [moved, ...run.slice(1)]), undefined);
  const origin = { step: 1, epoch: 0, index: 1 } as NonNullable<typeof data.origin>;
  const fork: RunEvent = { type: "RunStarted", data: { ...data, state: "f".repeat(64), origin } };
  assert.equal(eventDifference(run, [fork, stepTaken(2)]), undefined);
  assert.equal(eventDifference(run, [fork, stepTaken(2, 9)])?.step, 2);
});

function evaluation(step: number, loss: number, measures?: Measures): RunEvent {
  return {
    type: "EvaluationTaken",
    data: { step, loss, samples: 4, ...(measures && { measures }) },
  };
}

function change(step: number, rate: number): RunEvent {
  const changes = { "optimizer.learningRate": rate };
  return { type: "ConfigChanged", data: { step, changes, class: "training" } };
}

function fingerprinted(step: number, state: string): RunEvent {
  const { data } = stepTaken(step) as StepTaken;
  return { type: "StepTaken", data: { ...data, fingerprint: { state, tensors: "" } } };
}
