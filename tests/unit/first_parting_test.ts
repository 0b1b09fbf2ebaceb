import assert from "node:assert/strict";
import fc from "fast-check";
import { firstParting } from "../../src/app/compare/first_parting.ts";
import type { RunEvent, StepTaken } from "../../src/core/event.ts";
import { snapshotTaken, started, stepTaken } from "../../src/testing/sample_events.ts";

const STEPS = 30;

Deno.test("runs of which nothing tells that they part do not", () => {
  fc.assert(fc.property(intervals(), intervals(), (a, b) => {
    assert.equal(firstParting(runOf("a", Infinity, a), runOf("b", Infinity, b)), undefined);
  }));
});

Deno.test("the window is from the last equal state that both logs tell of to the first other event", () => {
  const parted = fc.integer({ min: 1, max: STEPS - 1 });
  fc.assert(fc.property(parted, intervals(), intervals(), (step, a, b) => {
    const found = firstParting(runOf("a", step, a), runOf("b", step, b));
    const told = Array.from({ length: STEPS + 1 }, (_, n) => n).filter((n) =>
      n === 0 || bothHave(n, a.fingerprint, b.fingerprint) || bothHave(n, a.snapshot, b.snapshot)
    );
    // The loss of a step tells of the state before it.
    const different = Math.min(step + 1, ...told.filter((n) => n >= step));
    const equal = Math.max(...told.filter((n) => n < step));
    assert.deepEqual([found?.equal, found?.different], [equal, different]);
    assert.ok(equal < step && step <= different);
  }));
});

Deno.test("runs that begin with other states are different from there on, and equal nowhere", () => {
  assert.ok(started.type === "RunStarted");
  const other = { ...started, data: { ...started.data, state: "f".repeat(64) } };
  const found = firstParting([started, stepTaken(1)], [other, stepTaken(1)]);
  assert.deepEqual([found?.different, found?.event?.a, found && "equal" in found], [
    0,
    "RunStarted",
    false,
  ]);
});

Deno.test("a change of a setting parts the step that follows it", () => {
  const changes = { "optimizer.learningRate": 1 };
  const change: RunEvent = { type: "ConfigChanged", data: { step: 1, changes, class: "training" } };
  const steps = [started, stepTaken(1), snapshotTaken(1), stepTaken(2)];
  const found = firstParting(steps, steps.toSpliced(3, 0, change));
  assert.deepEqual([found?.equal, found?.different], [1, 2]);
});

Deno.test("a snapshot of a pause tells of the state as any other does", () => {
  const paused = (state: string): readonly RunEvent[] => {
    const { data } = snapshotTaken(1) as Extract<RunEvent, { type: "SnapshotTaken" }>;
    return [started, stepTaken(1), {
      type: "SnapshotTaken",
      data: { ...data, state, reason: "paused" },
    }];
  };
  const found = firstParting(paused("a".repeat(64)), paused("b".repeat(64)));
  assert.deepEqual(found, { equal: 0, different: 1 });
});

Deno.test("a state that is equal where its evaluation is not is proven equal", () => {
  const evaluated = (loss: number): readonly RunEvent[] => [
    ...[started, stepTaken(1), stepTaken(2)],
    { type: "EvaluationTaken", data: { step: 2, loss, samples: 4 } },
    snapshotTaken(2),
  ];
  const found = firstParting(evaluated(0.5), evaluated(0.25));
  assert.deepEqual([found?.equal, found?.different], [2, 2]);
});

Deno.test("a snapshot that was made later tells of its own step", () => {
  const { data } = snapshotTaken(1) as Extract<RunEvent, { type: "SnapshotTaken" }>;
  const { reason: _, ...about } = data;
  const materialized: RunEvent = {
    type: "SnapshotMaterialized",
    data: { ...about, position: 2, epoch: 0, index: 1 },
  };
  const steps = [started, stepTaken(1), stepTaken(2), snapshotTaken(2)];
  const [a, b] = [3, 4].map((value) => [...steps, stepTaken(3, value), materialized]);
  const found = firstParting(a!, b!);
  assert.deepEqual([found?.equal, found?.different], [2, 3]);
});

/** How many steps are between two fingerprints, and between two snapshots; 0 for none. */
interface Intervals {
  readonly fingerprint: number;
  readonly snapshot: number;
}

function intervals(): fc.Arbitrary<Intervals> {
  return fc.record({ fingerprint: fc.nat(9), snapshot: fc.nat(9) });
}

function isDue(step: number, every: number): boolean {
  return every > 0 && step > 0 && step % every === 0;
}

function bothHave(step: number, a: number, b: number): boolean {
  return isDue(step, a) && isDue(step, b);
}

/** A run whose states are of its own from step `parted` on; what it computes of a state tells which. */
function runOf(name: string, parted: number, every: Intervals): readonly RunEvent[] {
  const stateOf = (step: number) => step < parted ? `common ${step}` : `${name} ${step}`;
  const steps = Array.from({ length: STEPS }, (_, n) => n + 1).flatMap((step): RunEvent[] => {
    const value = step - 1 < parted ? step : name.charCodeAt(0) * step;
    const { data } = stepTaken(step, value) as StepTaken;
    const fingerprint = isDue(step, every.fingerprint)
      ? { fingerprint: { state: stateOf(step), tensors: "" } }
      : {};
    const snapshot = snapshotTaken(step) as Extract<RunEvent, { type: "SnapshotTaken" }>;
    const stored = { ...snapshot, data: { ...snapshot.data, state: stateOf(step) } };
    return [
      { type: "StepTaken", data: { ...data, ...fingerprint } },
      ...isDue(step, every.snapshot) ? [stored] : [],
    ];
  });
  return [started, ...steps];
}
