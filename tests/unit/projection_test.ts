import assert from "node:assert/strict";
import { evolve, initialState } from "../../src/core/evolve.ts";
import type { RunEvent, RunStarted, StepTaken } from "../../src/core/event.ts";
import { lossCurve, project, runState } from "../../src/core/projection.ts";
import { runSummary } from "../../src/core/run_summary.ts";
import { goldenEvents } from "../golden/golden_run.ts";

const started = goldenEvents[0] as RunStarted;

Deno.test("project(runState) is the fold of evolve() at every position", () => {
  for (let count = 0; count <= goldenEvents.length; count++) {
    const events = goldenEvents.slice(0, count);
    assert.deepEqual(project(runState, events), events.reduce(evolve, initialState));
  }
});

Deno.test("project() takes any iterable, each event once and in order", () => {
  const types = {
    initialView: (): string[] => [],
    evolve: (view: string[], { type }: RunEvent) => [...view, type],
  };
  function* events() {
    yield* goldenEvents;
  }
  assert.deepEqual(project(types, events()), goldenEvents.map(({ type }) => type));
});

Deno.test("project(lossCurve) has every step once, in order, with its numbers as recorded", () => {
  const steps = goldenEvents.filter((event): event is StepTaken => event.type === "StepTaken");
  const points = steps.map(({ data: { step, loss, learningRate, gradNorm } }) => ({
    step,
    loss,
    learningRate,
    gradNorm,
  }));
  assert.deepEqual(points.map(({ step }) => step), [1, 2, 3, 4]);
  assert.deepEqual(points.map(({ loss }) => loss), [5.545177459716797, NaN, -0, -Infinity]);
  assert.deepEqual(project(lossCurve, goldenEvents), points);
});

Deno.test("project(lossCurve) begins each time with a curve of its own", () => {
  const first = project(lossCurve, goldenEvents);
  assert.deepEqual(project(lossCurve, goldenEvents), first);
  assert.equal(first.length, 4);
  assert.deepEqual(project(lossCurve, []), []);
});

Deno.test("runSummary() says of a run that is not there only that it is absent", () => {
  assert.deepEqual(runSummary(initialState), {
    status: "absent",
    recipe: null,
    step: 0,
    maxSteps: null,
    epoch: 0,
    filesDone: null,
    files: null,
    skippedSteps: 0,
    backend: null,
    lastLoss: null,
    trainEmaLoss: null,
    bestLoss: null,
    bestStep: null,
    measures: null,
    history: 0,
    snapshots: [],
    config: null,
    environment: null,
    code: null,
  });
});

Deno.test("runSummary() says what is known of a whole run", () => {
  const environment = { ...started.data.environment, backend: "wasm" };
  assert.deepEqual(runSummary(project(runState, goldenEvents)), {
    status: "completed",
    recipe: "golden",
    step: 4,
    maxSteps: 4,
    epoch: 2,
    filesDone: null,
    files: null,
    skippedSteps: 0,
    backend: "wasm",
    lastLoss: -Infinity,
    trainEmaLoss: 5.545177459716797 * 0.98, // step 3 has -0, and the others are not finite
    bestLoss: 0.1,
    bestStep: 4,
    measures: null,
    history: 4,
    snapshots: [ // without that of step 2, which was pruned
      { step: 3, id: "d".repeat(64) },
      { step: 4, id: "f".repeat(64) },
    ],
    config: started.data.config,
    environment,
    code: null,
  });
});

Deno.test("runSummary() takes the best training loss until the first evaluation", () => {
  const best = (count: number) => {
    const { bestLoss, bestStep } = runSummary(project(runState, goldenEvents.slice(0, count)));
    return [bestLoss, bestStep];
  };
  assert.deepEqual(best(1), [null, null]);
  assert.deepEqual(best(3), [5.545177459716797, 1]); // a NaN at step 2 is not better
  assert.deepEqual(best(5), [5.25, 2]); // an evaluation
  assert.deepEqual(best(9), [5.25, 2]); // a lower training loss later does not replace it
});

Deno.test("runSummary() keeps NaN and -0 as they are: whoever prints them decides how", () => {
  assert.equal(runSummary(project(runState, goldenEvents.slice(0, 3))).lastLoss, NaN);
  assert.ok(Object.is(runSummary(project(runState, goldenEvents.slice(0, 9))).lastLoss, -0));
});
