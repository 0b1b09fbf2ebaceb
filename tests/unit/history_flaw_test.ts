import assert from "node:assert/strict";
import fc from "fast-check";
import type { RunConfig } from "../../src/core/config.ts";
import { type RunEvent, stepEvent } from "../../src/core/event.ts";
import { historyFlaw } from "../../src/core/history_flaw.ts";
import { goldenEvents } from "../golden/golden_run.ts";

const ONCE = "expected RunStarted at position 0 and there alone";

Deno.test("historyFlaw() finds none in a whole history, nor in any beginning of it", () => {
  for (let count = 0; count <= goldenEvents.length; count++) {
    assert.equal(historyFlaw(goldenEvents.slice(0, count)), undefined);
  }
});

Deno.test("historyFlaw() finds a history that does not begin with RunStarted", () => {
  assert.deepEqual(historyFlaw(goldenEvents.slice(1)), { position: 0, reason: ONCE });
});

Deno.test("historyFlaw() finds a second RunStarted", () => {
  const events = [...goldenEvents.slice(0, 4), goldenEvents[0]!, ...goldenEvents.slice(4)];
  assert.deepEqual(historyFlaw(events), { position: 4, reason: ONCE });
});

Deno.test("historyFlaw() finds a step that is missing, doubled, or out of order", () => {
  assert.deepEqual(history([1, 3]), { position: 2, reason: "expected step 2, found 3" });
  assert.deepEqual(history([1, 1]), { position: 2, reason: "expected step 2, found 1" });
  assert.deepEqual(history([1, 2, 1]), { position: 3, reason: "expected step 3, found 1" });
  assert.deepEqual(history([2, 1]), { position: 1, reason: "expected step 1, found 2" });
  assert.deepEqual(history([0]), { position: 1, reason: "expected step 1, found 0" });
  assert.equal(history([1, 2, 3]), undefined);
});

Deno.test("historyFlaw() finds an event of another step than the run was at, of any type", () => {
  const others = goldenEvents.filter(({ type }) =>
    type !== "RunStarted" && type !== "StepTaken" && type !== "SnapshotPruned"
  );
  assert.equal(new Set(others.map(({ type }) => type)).size, 8);
  for (const event of others) {
    for (const found of [0, 2]) {
      const moved = { ...event, data: { ...event.data, step: found } } as RunEvent;
      assert.deepEqual(historyFlaw([goldenEvents[0]!, goldenEvents[1]!, moved]), {
        position: 2,
        reason: `expected ${event.type} at step 1, found ${found}`,
      });
    }
  }
});

Deno.test("historyFlaw() finds a loss scale that the steps before it do not lead to", () => {
  const norms = [NaN, 1, 1, 1, Infinity, 1];
  const scales = [4, 2, 2, 4, 4, 2]; // doubled after two
  assert.equal(historyFlaw(mixedHistory(norms, scales)), undefined);
  for (const [at, scale] of scales.entries()) {
    const found = scale * 2;
    assert.deepEqual(historyFlaw(mixedHistory(norms, scales.with(at, found))), {
      position: at + 1,
      reason: `expected the loss scale ${scale} at step ${at + 1}, found ${found}`,
    });
  }
});

Deno.test("historyFlaw() finds a step that was skipped and should not have been, or the other way round", () => {
  for (const [norm, is, other] of [[1, "Taken", "Skipped"], [NaN, "Skipped", "Taken"]] as const) {
    const [started, step] = mixedHistory([norm], [4]);
    assert.equal(step!.type, `Step${is}`);
    const wrong = { ...step!, type: `Step${other}` } as RunEvent;
    assert.deepEqual(historyFlaw([started!, wrong]), {
      position: 1,
      reason: `expected Step${is} where the norm of the gradients is ${norm}, found Step${other}`,
    });
  }
});

Deno.test("historyFlaw() finds a loss scale in float32, and none in mixed precision", () => {
  const [mixed, scaled] = mixedHistory([1], [4]);
  const [plain, unscaled] = goldenEvents;
  const reason = "expected the loss scale 4 at step 1, found none";
  assert.deepEqual(historyFlaw([mixed!, unscaled!]), { position: 1, reason });
  const other = "expected the loss scale none at step 1, found 4";
  assert.deepEqual(historyFlaw([plain!, scaled!]), { position: 1, reason: other });
});

Deno.test("historyFlaw() finds a run that is complete before the last step of its plan", () => {
  const started = goldenEvents[0]!;
  const step = goldenEvents.find(({ type }) => type === "StepTaken")!;
  const max = started.type === "RunStarted" ? started.data.config.steps.max : 0;
  const completed: RunEvent = { type: "RunCompleted", data: { step: 1 } };
  assert.deepEqual(historyFlaw([started, step, completed]), {
    position: 2,
    reason: `expected RunCompleted at step ${max}, found it at 1`,
  });
});

Deno.test("historyFlaw() finds what happens after a run is complete", () => {
  const paused: RunEvent = { type: "RunPaused", data: { step: 4, reason: "until" } };
  const last = goldenEvents.findIndex(({ type }) => type === "RunCompleted");
  for (const events of [goldenEvents.slice(0, last + 1), goldenEvents]) {
    assert.deepEqual(historyFlaw([...events, paused]), {
      position: events.length,
      reason: "expected nothing after RunCompleted, found RunPaused",
    });
  }
});

Deno.test("historyFlaw() finds none where snapshots are pruned later, at whatever step the run is", () => {
  const events = [goldenEvents[0]!, goldenEvents[1]!, taken(1), goldenEvents[2]!, pruned(1)];
  assert.equal(historyFlaw(events), undefined);
  assert.equal(historyFlaw([...events, taken(2), pruned(2), taken(2), pruned(2)]), undefined);
});

Deno.test("historyFlaw() finds a snapshot that is pruned before it is taken, twice, or never taken", () => {
  const reason = "expected SnapshotPruned of a snapshot that is kept";
  const [started, step] = goldenEvents;
  assert.deepEqual(historyFlaw([started!, step!, pruned(1), taken(1)]), { position: 2, reason });
  assert.deepEqual(historyFlaw([started!, step!, taken(1), pruned(1), pruned(1)]), {
    position: 4,
    reason,
  });
  assert.deepEqual(historyFlaw([started!, step!, taken(1), pruned(2)]), { position: 3, reason });
  const { snapshot } = pruned(1).data as { readonly snapshot: string };
  const elsewhere: RunEvent = { type: "SnapshotPruned", data: { step: 0, snapshot } };
  assert.deepEqual(historyFlaw([started!, step!, taken(1), elsewhere]), { position: 3, reason });
  assert.deepEqual(historyFlaw([pruned(1)]), { position: 0, reason: ONCE });
});

Deno.test("historyFlaw() finds samples that no evaluation of their step comes right before", () => {
  const [started, step, second] = goldenEvents;
  const after = (...events: readonly RunEvent[]) =>
    historyFlaw([started!, step!, ...events, sampled(1, "step_1_a")]);
  const resumed: RunEvent = { type: "RunResumed", data: { step: 1 } };
  assert.equal(after(evaluated(1)), undefined);
  assert.equal(after(evaluated(1), resumed), undefined); // where the process died in between
  const reason = (found: string) =>
    `expected SamplesTaken after the EvaluationTaken of step 1, found it after ${found}`;
  assert.deepEqual(after(), { position: 2, reason: reason("StepTaken") });
  for (const between of [taken(1), sampled(1, "step_1_b")]) {
    assert.deepEqual(after(evaluated(1), between), { position: 4, reason: reason(between.type) });
  }
  const moved = [started!, step!, evaluated(1), second!, sampled(1, "step_1_a")];
  assert.equal(historyFlaw(moved)?.position, 4);
});

Deno.test("historyFlaw() finds samples with a name that is another step's, no name, or not one's own", () => {
  const [started, step] = goldenEvents;
  const reason = (...names: readonly string[]) =>
    historyFlaw([started!, step!, evaluated(1), sampled(1, ...names)])?.reason;
  assert.equal(reason("step_1_a.png", "step_1_b.png"), undefined);
  assert.match(reason("step_2_a.png")!, /of step 1 to begin with step_1_, found step_2_a.png/);
  assert.match(reason("a.png")!, /to begin with step_1_, found a.png/);
  assert.match(reason("step_1_a", "step_1_a")!, /names of their own, found two step_1_a/);
  for (const name of ["", "../step_1_a", "step_1_/a", ".step_1_a", "step_1_" + "a".repeat(122)]) {
    assert.match(reason(name)!, /expected the name of a sample to be a letter or a digit/, name);
  }
});

Deno.test("historyFlaw() finds any step that was taken out of a history or exchanged with another", () => {
  const steps = goldenEvents.flatMap(({ type }, position) =>
    type === "StepTaken" ? [position] : []
  );
  const place = fc.constantFrom(...steps);
  fc.assert(fc.property(place, place, (a, b) => {
    const events = [...goldenEvents];
    if (a === b) events.splice(a, 1);
    else [events[a], events[b]] = [events[b]!, events[a]!];
    assert.notEqual(historyFlaw(events), undefined);
  }));
});

/** A run in mixed precision whose loss scale begins as 4 and doubles after two finite steps. */
function mixedHistory(norms: readonly number[], scales: readonly number[]): readonly RunEvent[] {
  const [started, step] = goldenEvents;
  assert.ok(started?.type === "RunStarted" && step?.type === "StepTaken");
  const config: RunConfig = {
    ...started.data.config,
    steps: { max: norms.length },
    precision: "mixed_float16",
    lossScale: { initial: 4, growthInterval: 2 },
  };
  const steps = norms.map((gradNorm, index) =>
    stepEvent({ ...step.data, step: index + 1, gradNorm, lossScale: scales[index]! })
  );
  return [{ ...started, data: { ...started.data, config } }, ...steps];
}

function taken(step: number): RunEvent {
  const snapshot = String(step).repeat(64);
  return { type: "SnapshotTaken", data: { step, snapshot, state: snapshot, reason: "scheduled" } };
}

function evaluated(step: number): RunEvent {
  return { type: "EvaluationTaken", data: { step, loss: 1, samples: 1 } };
}

function sampled(step: number, ...names: readonly string[]): RunEvent {
  const samples = names.map((name) => ({ name, digest: "a".repeat(64), bytes: 1 }));
  return { type: "SamplesTaken", data: { step, samples } };
}

function pruned(step: number): RunEvent {
  return { type: "SnapshotPruned", data: { step, snapshot: String(step).repeat(64) } };
}

function history(steps: readonly number[]): ReturnType<typeof historyFlaw> {
  const [started, taken] = goldenEvents;
  return historyFlaw([
    started!,
    ...steps.map((step) => ({ ...taken!, data: { ...taken!.data, step } }) as RunEvent),
  ]);
}
