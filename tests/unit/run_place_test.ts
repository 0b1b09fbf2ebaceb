import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { parsePlace, stepOfPlace } from "../../src/core/run_place.ts";
import { evolve, initialState } from "../../src/core/evolve.ts";
import type { RunState, SnapshotRef } from "../../src/core/run_state.ts";
import { started } from "../../src/testing/sample_events.ts";

Deno.test("a place is a step, or has the name that a trainer gives a checkpoint", () => {
  const steps: readonly (readonly [text: string, step: number])[] = [
    ["0", 0],
    ["1234", 1234],
    ["0012", 12],
    ["step-001200", 1200],
    ["checkpoint-1200", 1200],
    ["model_step000256", 256],
  ];
  for (const [text, step] of steps) {
    assert.deepEqual(parsePlace(text), { type: "step", step }, text);
  }
  for (const text of ["checkpoint-epoch0-step800-files0", "checkpoint-epoch0-step800"]) {
    assert.deepEqual(parsePlace(text), { type: "step", step: 800, epoch: 0 }, text);
  }
  assert.deepEqual(parsePlace("checkpoint-epoch12-step7-files34"), {
    type: "step",
    step: 7,
    epoch: 12,
  });
  for (const type of ["latest", "best", "final"] as const) {
    assert.deepEqual(parsePlace(type), { type });
  }
});

Deno.test("what names no place is none", () => {
  const texts = [
    "",
    "-1",
    "1.5",
    "1e3",
    " 1",
    "step-",
    "step-1x",
    "xstep-1",
    "Latest",
    "latest ",
    "checkpoint-epoch1",
    "checkpoint-epoch-step1",
    "checkpoint-epoch1-step2-files",
    "model_step",
    "9".repeat(20),
    "step--1",
  ];
  for (const text of texts) assert.equal(parsePlace(text), undefined, text);
});

Deno.test("latest is the last step, and final that of a run that is complete", () => {
  const run: RunState = { ...evolve(initialState, started), step: 7 };
  assert.deepEqual(stepOfPlace({ type: "latest" }, run), E.right(7));
  assert.deepEqual(stepOfPlace({ type: "final" }, { ...run, status: "completed" }), E.right(7));
  for (const status of ["running", "paused", "failed"] as const) {
    const none = stepOfPlace({ type: "final" }, { ...run, status });
    assert.ok(E.isLeft(none) && /is not complete: it is at step 7 of/.test(none.left), status);
  }
});

Deno.test("best is the kept snapshot of the lowest evaluation, or training loss where there is none", () => {
  const run = evolve(initialState, started);
  const best = (...snapshots: readonly SnapshotRef[]) =>
    stepOfPlace({ type: "best" }, { ...run, step: 9, snapshots });
  assert.deepEqual(best(kept(2, 0.5), kept(4, 0.25), kept(6, 0.75)), E.right(4));
  assert.deepEqual(best(kept(2, 0.5, 1), kept(4, 0.25, 3), kept(6, 0.75, 2)), E.right(2));
  assert.deepEqual(best(), E.left("it keeps no snapshot with a loss"));
});

Deno.test("a step is one of the run: not before a fork begins, and not after the last", () => {
  const run: RunState = { ...evolve(initialState, started), step: 7 };
  const at = (step: number, state = run) => stepOfPlace({ type: "step", step }, state);
  assert.deepEqual([at(0), at(7)], [E.right(0), E.right(7)]);
  assert.deepEqual(at(8), E.left("its log ends at step 7"));
  const parent = { run: "first", step: 3, state: "", history: "", envelope: "" };
  const origin = { parent, takes: "state", snapshot: "", step: 3, epoch: 0, index: 0 } as const;
  const fork = { ...run, origin };
  assert.deepEqual(at(3, fork), E.right(3));
  assert.deepEqual(at(2, fork), E.left('it begins at step 3, as a fork of "first"'));
});

function kept(step: number, loss: number, evaluation?: number): SnapshotRef {
  const digest = String(step).repeat(64);
  const about = { position: step, step, snapshot: digest, state: digest } as const;
  const cursor = { epoch: 0, index: 0 };
  const measured = { loss, ...(evaluation !== undefined && { evaluation }) };
  return { ...about, reason: "scheduled", cursor, ...measured };
}
