import assert from "node:assert/strict";
import fc from "fast-check";
import type { RunEvent, StepTaken } from "../../src/core/event.ts";
import { evolve, initialState } from "../../src/core/evolve.ts";
import type { Measures } from "../../src/core/measures.ts";
import type { RunState } from "../../src/core/run_state.ts";
import { runSummary } from "../../src/core/run_summary.ts";
import { goldenEvents } from "../golden/golden_run.ts";

const started = goldenEvents[0] as Extract<RunEvent, { type: "RunStarted" }>;

Deno.test("initialState is a run at step 0 of which nothing is known", () => {
  assert.deepEqual(initialState, {
    status: "absent",
    version: 0,
    step: 0,
    cursor: { epoch: 0, index: 0 },
    snapshots: [],
  });
});

Deno.test("evolve() takes task, config, data and environment from RunStarted, and nothing else", () => {
  const { task, config, data, environment } = started.data;
  assert.deepEqual(evolve(initialState, started), {
    ...initialState,
    status: "running",
    version: 1,
    task,
    config,
    data,
    environment,
  });
});

Deno.test("evolve() moves to StepTaken's step, cursor and loss", () => {
  const before = evolve(initialState, started);
  assert.deepEqual(evolve(before, stepTaken(1, 0.5, { epoch: 3, index: 7 })), {
    ...before,
    version: 2,
    step: 1,
    cursor: { epoch: 3, index: 7 },
    lastLoss: { step: 1, loss: 0.5 },
    bestTrainLoss: { step: 1, loss: 0.5 },
    trainEmaLoss: 0.5,
  });
});

Deno.test("evolve() counts the steps that were skipped, and moves on with them as with others", () => {
  const skip = (step: number): RunEvent => {
    const { data } = stepTaken(step, 0.5);
    return { type: "StepSkipped", data: { ...data, gradNorm: Infinity, lossScale: 2 } };
  };
  const all = [stepTaken(1, 0.5), skip(2), skip(3), stepTaken(4, 0.5), skip(5)];
  const counts = all.map((_, index) => after(all.slice(0, index + 1)).skippedSteps);
  assert.deepEqual(counts, [undefined, 1, 2, 2, 3]);
  const { skippedSteps: _, ...state } = after(all);
  assert.deepEqual(state, after([1, 2, 3, 4, 5].map((step) => stepTaken(step, 0.5))));
});

Deno.test("evolve() averages the training losses that are finite, the first with all its weight", () => {
  const losses = [NaN, 8, 4, Infinity, 2];
  const state = after(losses.map((loss, index) => stepTaken(index + 1, loss)));
  const expected = [8, 4, 2].reduce((mean, loss) => 0.98 * mean + 0.02 * loss);
  assert.ok(Math.abs(state.trainEmaLoss! - expected) < 1e-14, `${state.trainEmaLoss}`);
  assert.equal(after([stepTaken(1, NaN)]).trainEmaLoss, undefined);
});

Deno.test("evolve() keeps the lowest training loss: the earlier of equals, any number before NaN", () => {
  const cases: readonly (readonly [losses: readonly number[], bestStep: number])[] = [
    [[3], 1],
    [[3, 2, 4], 2],
    [[3, 2, 2], 2],
    [[0, -0], 1],
    [[NaN], 1],
    [[NaN, 7, NaN], 2],
    [[NaN, Infinity], 2],
    [[Infinity, 5], 2],
    [[5, -Infinity, -1e38], 2],
    [[5, NaN], 1],
  ];
  for (const [losses, bestStep] of cases) {
    const { bestTrainLoss, lastLoss, bestEvaluation } = after(
      losses.map((loss, index) => stepTaken(index + 1, loss)),
    );
    assert.deepEqual(bestTrainLoss, { step: bestStep, loss: losses[bestStep - 1] }, `${losses}`);
    assert.deepEqual(lastLoss, { step: losses.length, loss: losses.at(-1) }, `${losses}`);
    assert.equal(bestEvaluation, undefined);
  }
});

Deno.test("evolve() keeps the lowest evaluation loss apart from the training loss", () => {
  const state = after([
    stepTaken(1, 0.1),
    evaluated(1, 3),
    stepTaken(2, 0.2),
    evaluated(2, 2),
    evaluated(3, NaN),
    evaluated(4, 2),
  ]);
  assert.deepEqual(state.bestEvaluation, { step: 2, loss: 2 });
  assert.deepEqual(state.bestTrainLoss, { step: 1, loss: 0.1 });
  assert.deepEqual(state.lastLoss, { step: 2, loss: 0.2 });
  assert.equal(state.step, 2);
});

Deno.test("evolve() only counts the end of an epoch: StepTaken has moved the cursor", () => {
  const state = after([stepTaken(1, 0.5)]);
  const next = evolve(state, { type: "EpochCompleted", data: { step: 1, epoch: 0 } });
  assert.deepEqual(next, { ...state, version: 3 });
});

Deno.test("evolve() counts every event: the version is the position of the next one", () => {
  let state = initialState;
  for (const [position, event] of goldenEvents.entries()) {
    assert.equal(state.version, position);
    state = evolve(state, event);
  }
  assert.equal(state.version, goldenEvents.length);
});

Deno.test("evolve() lists snapshots in the order taken, each with the cursor at its step", () => {
  const first = snapshotTaken(1, "scheduled");
  const second = snapshotTaken(2, "final");
  const { snapshots } = after([
    stepTaken(1, 0.5, { epoch: 0, index: 4 }),
    first,
    stepTaken(2, 0.25, { epoch: 1, index: 2 }),
    second,
  ]);
  assert.deepEqual(snapshots, [
    { ...first.data, position: 2, cursor: { epoch: 0, index: 4 }, loss: 0.5 },
    { ...second.data, position: 4, cursor: { epoch: 1, index: 2 }, loss: 0.25 },
  ]);
});

Deno.test("evolve() gives a snapshot the losses of its own step, and no others", () => {
  const { snapshots } = after([
    snapshotTaken(0, "scheduled"),
    stepTaken(1, 0.5),
    evaluated(1, NaN),
    snapshotTaken(1, "scheduled"),
    stepTaken(2, NaN),
    snapshotTaken(2, "final"),
    snapshotTaken(7, "final"),
  ]);
  const losses = snapshots.map(({ step, loss, evaluation }) => ({ step, loss, evaluation }));
  assert.deepEqual(losses, [
    { step: 0, loss: undefined, evaluation: undefined },
    { step: 1, loss: 0.5, evaluation: NaN },
    { step: 2, loss: NaN, evaluation: undefined },
    { step: 7, loss: undefined, evaluation: undefined },
  ]);
  assert.deepEqual(Object.keys(snapshots[0]!).includes("loss"), false);
});

Deno.test("evolve() lists no snapshot that failed, and remembers the step of the last that did", () => {
  const state = after([stepTaken(1, 0.5), snapshotFailed(1)]);
  assert.deepEqual([state.snapshots, state.failedSnapshot], [[], 1]);
  assert.equal([stepTaken(2, 0.5), snapshotFailed(2)].reduce(evolve, state).failedSnapshot, 2);
});

Deno.test("evolve() lists no snapshot that was pruned, and leaves the others as they are", () => {
  const taken = [1, 2, 3].map((step) => snapshotTaken(step, "scheduled"));
  const before = after(taken);
  for (const { data: { step, snapshot } } of taken) {
    const { snapshots } = evolve(before, { type: "SnapshotPruned", data: { step, snapshot } });
    assert.deepEqual(snapshots, before.snapshots.filter((ref) => ref.step !== step));
  }
});

Deno.test("evolve() prunes only the snapshot of the very step and digest", () => {
  const before = after([snapshotTaken(1, "scheduled"), snapshotTaken(2, "scheduled")]);
  for (const data of [{ step: 1, snapshot: digest(2) }, { step: 3, snapshot: digest(1) }]) {
    const { snapshots } = evolve(before, { type: "SnapshotPruned", data });
    assert.deepEqual(snapshots, before.snapshots);
  }
});

Deno.test("evolve() lists a snapshot that was pruned and taken again once, where it was taken again", () => {
  const taken = snapshotTaken(1, "scheduled");
  const pruned: RunEvent = { type: "SnapshotPruned", data: { step: 1, snapshot: digest(1) } };
  const { snapshots } = after([taken, pruned, taken]);
  assert.deepEqual(snapshots.map(({ step, position }) => [step, position]), [[1, 3]]);
});

Deno.test("evolve() gives each event its status and leaves it to the others", () => {
  const cases: readonly (readonly [RunEvent, RunState["status"]])[] = [
    [{ type: "RunPaused", data: { step: 1, reason: "until" } }, "paused"],
    [{ type: "RunResumed", data: { step: 1 } }, "running"],
    [{ type: "RunFailed", data: { step: 1, message: "out of memory" } }, "failed"],
    [{ type: "RunCompleted", data: { step: 1 } }, "completed"],
  ];
  for (const status of ["absent", "running", "paused", "failed", "completed"] as const) {
    const state = { ...after([stepTaken(1, 0.5)]), status };
    for (const [event, expected] of cases) {
      const next = { ...state, version: 3, status: expected };
      assert.deepEqual(evolve(state, event), next, event.type);
    }
    const others = [
      stepTaken(2, 0.5),
      evaluated(1, 1),
      snapshotTaken(1, "final"),
      snapshotFailed(1),
      { type: "SnapshotPruned", data: { step: 1, snapshot: digest(1) } } as const,
    ];
    for (const event of others) {
      assert.equal(evolve(state, event).status, status, event.type);
    }
  }
});

Deno.test("evolve() keeps the environment unless RunResumed brings another one", () => {
  const other = { ...started.data.environment, backend: "wasm" };
  const resumed: RunEvent = { type: "RunResumed", data: { step: 0 } };
  const moved: RunEvent = { type: "RunResumed", data: { step: 0, environment: other } };
  assert.deepEqual(after([resumed]).environment, started.data.environment);
  assert.deepEqual(after([moved, resumed]).environment, other);
});

Deno.test("evolve() is total and pure: any events in any order, and no state is changed", () => {
  const events = fc.array(fc.constantFrom(...goldenEvents), { maxLength: 30 });
  fc.assert(fc.property(events, (events) => {
    let state = deepFreeze(initialState);
    for (const event of events) {
      const next = evolve(state, deepFreeze(event));
      assert.deepEqual(evolve(state, event), next);
      state = deepFreeze(next);
    }
    assert.ok(state.step >= 0 && Array.isArray(state.snapshots));
  }));
});

Deno.test("evolve() starts afresh at RunStarted, whatever came before", () => {
  const { version, ...state } = evolve(goldenEvents.reduce(evolve, initialState), started);
  assert.deepEqual({ ...state, version: 1 }, after([]));
  assert.equal(version, goldenEvents.length + 1);
});

Deno.test("evolve() keeps what the last evaluation measured, and what the best one did", () => {
  const first = evaluated(1, 0.5, { accuracy: 0.75 });
  const second = evaluated(2, 0.625, { accuracy: 0.5 });
  const state = after([stepTaken(1, 1), first, stepTaken(2, 1), second]);
  assert.deepEqual(state.lastEvaluation, { step: 2, loss: 0.625, measures: { accuracy: 0.5 } });
  assert.deepEqual(state.bestEvaluation, { step: 1, loss: 0.5, measures: { accuracy: 0.75 } });
  assert.deepEqual(runSummary(state).measures, { accuracy: 0.5 });
  const plain = [first, second, evaluated(3, 1)].reduce(evolve, state);
  assert.deepEqual(plain.lastEvaluation, { step: 3, loss: 1 });
  assert.equal(runSummary(plain).measures, null);
});

/** The state after RunStarted and the given events. */
function after(events: readonly RunEvent[]): RunState {
  return [started, ...events].reduce(evolve, initialState);
}

function stepTaken(step: number, loss: number, cursor = { epoch: 0, index: step }): StepTaken {
  const batch = "b".repeat(64);
  return {
    type: "StepTaken",
    data: { step, ...cursor, batch, loss, gradNorm: 1, learningRate: 1 },
  };
}

function evaluated(step: number, loss: number, measures?: Measures): RunEvent {
  return {
    type: "EvaluationTaken",
    data: { step, loss, samples: 1, ...(measures && { measures }) },
  };
}

function snapshotTaken(step: number, reason: "scheduled" | "final") {
  const data = { step, snapshot: digest(step), state: "5".repeat(64), reason };
  return { type: "SnapshotTaken", data } satisfies RunEvent;
}

function snapshotFailed(step: number): RunEvent {
  return { type: "SnapshotFailed", data: { step, reason: "scheduled", message: "no space" } };
}

function digest(digit: number): string {
  return String(digit).repeat(64);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
