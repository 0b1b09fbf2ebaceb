import assert from "node:assert/strict";
import { historyDigest, NO_HISTORY } from "../../src/codec/history_digest.ts";
import { isComputation, isTrainingFact, type RunEvent } from "../../src/core/event.ts";
import { goldenEvents } from "../golden/golden_run.ts";

const sampled: RunEvent = {
  type: "SamplesTaken",
  data: { step: 4, samples: [{ name: "step_4_a.png", digest: "a".repeat(64), bytes: 1 }] },
};

const skipped = {
  type: "StepSkipped",
  data: {
    step: 5,
    epoch: 3,
    index: 2,
    batch: "b".repeat(64),
    loss: 1,
    gradNorm: Infinity,
    learningRate: 0.1,
    lossScale: 1024,
  },
} as const satisfies RunEvent;

Deno.test("isComputation() is true of what was computed, not of what was done with it", () => {
  assert.deepEqual(typesOf(isComputation), [
    "EpochCompleted",
    "EvaluationTaken",
    "RunStarted",
    "SamplesTaken",
    "StepSkipped",
    "StepTaken",
  ]);
});

Deno.test("historyDigest() is another after each computation, and only after one", () => {
  for (const event of [...goldenEvents, skipped, sampled]) {
    const changes = historyDigest(NO_HISTORY, event) !== NO_HISTORY;
    assert.equal(
      changes,
      /^(RunStarted|Step.*|Evaluation.*|SamplesTaken|Epoch.*)$/.test(event.type),
      event.type,
    );
  }
  const worse: RunEvent = { ...skipped, data: { ...skipped.data, loss: 2 } };
  assert.notEqual(historyDigest(NO_HISTORY, skipped), historyDigest(NO_HISTORY, worse));
});

Deno.test("isTrainingFact() is true of what an uninterrupted run on a sound disk records", () => {
  assert.deepEqual(typesOf(isTrainingFact), [
    "EpochCompleted",
    "EvaluationTaken",
    "RunCompleted",
    "RunStarted",
    "SamplesTaken",
    "SnapshotTaken",
    "StepSkipped",
    "StepTaken",
  ]);
});

Deno.test("isTrainingFact() is true of each snapshot but those of a pause and by measured time", () => {
  const taken = goldenEvents.find((event) => event.type === "SnapshotTaken")!;
  const reasons = ["scheduled", "auto", "paused", "final"] as const;
  const facts = reasons.map((reason) =>
    isTrainingFact({ ...taken, data: { ...taken.data, reason } })
  );
  assert.deepEqual(facts, [true, false, false, true]);
});

/** The types of the golden events, and of a skipped step, of which it holds. */
function typesOf(holds: (event: RunEvent) => boolean): readonly string[] {
  return [...new Set([...goldenEvents, skipped, sampled].filter(holds).map(({ type }) => type))]
    .sort();
}
