import assert from "node:assert/strict";
import { isComputation, isTrainingFact, type RunEvent } from "../../src/core/event.ts";
import { goldenEvents } from "../golden/golden_run.ts";

Deno.test("isComputation() is true of what was computed, not of what was done with it", () => {
  assert.deepEqual(typesOf(isComputation), [
    "EpochCompleted",
    "EvaluationTaken",
    "RunStarted",
    "StepTaken",
  ]);
});

Deno.test("isTrainingFact() is true of what an uninterrupted run on a sound disk records", () => {
  assert.deepEqual(typesOf(isTrainingFact), [
    "EpochCompleted",
    "EvaluationTaken",
    "RunCompleted",
    "RunStarted",
    "SnapshotTaken",
    "StepTaken",
  ]);
});

Deno.test("isTrainingFact() is true of each snapshot but the one that a pause takes", () => {
  const taken = goldenEvents.filter((event) => event.type === "SnapshotTaken");
  assert.deepEqual(taken.map((event) => [event.data.reason, isTrainingFact(event)]), [
    ["scheduled", true],
    ["paused", false],
    ["final", true],
  ]);
});

/** The types of the golden events of which it holds. */
function typesOf(holds: (event: RunEvent) => boolean): readonly string[] {
  return [...new Set(goldenEvents.filter(holds).map(({ type }) => type))].sort();
}
