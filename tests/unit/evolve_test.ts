import assert from "node:assert/strict";
import fc from "fast-check";
import type { RunEvent } from "../../src/core/event.ts";
import { evolve, initialState } from "../../src/core/evolve.ts";
import type { RunState } from "../../src/core/run_state.ts";
import { goldenEvents } from "../golden/golden_run.ts";

const started = goldenEvents[0] as Extract<RunEvent, { type: "RunStarted" }>;

Deno.test("initialState is a run at step 0 of which nothing is known", () => {
  assert.deepEqual(initialState, {
    status: "absent",
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
    step: 1,
    cursor: { epoch: 3, index: 7 },
    lastLoss: { step: 1, loss: 0.5 },
    bestTrainLoss: { step: 1, loss: 0.5 },
  });
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

Deno.test("evolve() changes nothing at the end of an epoch: StepTaken has moved the cursor", () => {
  const state = after([stepTaken(1, 0.5)]);
  assert.deepEqual(evolve(state, { type: "EpochCompleted", data: { step: 1, epoch: 0 } }), state);
});

Deno.test("evolve() lists snapshots in the order taken, each with the cursor at its step", () => {
  const first = snapshotTaken(1, "scheduled");
  const second = snapshotTaken(2, "final");
  const { snapshots } = after([
    stepTaken(1, 0.5, { epoch: 0, index: 4 }),
    first,
    stepTaken(2, 0.5, { epoch: 1, index: 2 }),
    second,
  ]);
  assert.deepEqual(snapshots, [
    { ...first.data, cursor: { epoch: 0, index: 4 } },
    { ...second.data, cursor: { epoch: 1, index: 2 } },
  ]);
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
      assert.deepEqual(evolve(state, event), { ...state, status: expected }, event.type);
    }
    for (const event of [stepTaken(2, 0.5), evaluated(1, 1), snapshotTaken(1, "final")]) {
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
  assert.deepEqual(evolve(goldenEvents.reduce(evolve, initialState), started), after([]));
});

/** The state after RunStarted and the given events. */
function after(events: readonly RunEvent[]): RunState {
  return [started, ...events].reduce(evolve, initialState);
}

function stepTaken(step: number, loss: number, cursor = { epoch: 0, index: step }): RunEvent {
  const batch = "b".repeat(64);
  return {
    type: "StepTaken",
    data: { step, ...cursor, batch, loss, gradNorm: 1, learningRate: 1 },
  };
}

function evaluated(step: number, loss: number): RunEvent {
  return { type: "EvaluationTaken", data: { step, loss, samples: 1 } };
}

function snapshotTaken(step: number, reason: "scheduled" | "final") {
  const data = { step, snapshot: String(step).repeat(64), state: "5".repeat(64), reason };
  return { type: "SnapshotTaken", data } satisfies RunEvent;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
