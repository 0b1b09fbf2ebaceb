import assert from "node:assert/strict";
import { defaultConfig, type RunConfig } from "../../src/core/config.ts";
import { isSaveDue, savePolicy } from "../../src/core/save_policy.ts";

const { save: neutral } = defaultConfig;

Deno.test("savePolicy() is due at each multiple of save.every and, as final, at the plan's end", () => {
  assert.deepEqual(due({ every: 3 }, 8), { 3: "scheduled", 6: "scheduled", 8: "final" });
});

Deno.test("savePolicy() calls the last step final even where it is a multiple", () => {
  assert.deepEqual(due({ every: 4 }, 8), { 4: "scheduled", 8: "final" });
  assert.deepEqual(due({ every: 1 }, 2), { 1: "scheduled", 2: "final" });
});

Deno.test("savePolicy() takes the final snapshot alone where save.every is 0 or beyond the plan", () => {
  assert.deepEqual(due({ every: 0 }, 8), { 8: "final" });
  assert.deepEqual(due({ every: 9 }, 8), { 8: "final" });
});

Deno.test("savePolicy() takes no snapshot of step 0, which the seed determines", () => {
  assert.equal(savePolicy({ save: { ...neutral, every: 1 }, steps: { max: 8 } })(0), undefined);
});

Deno.test("savePolicy() takes the final snapshot alone where they are spaced by time", () => {
  assert.deepEqual(due({ every: 3, maxReplaySeconds: 0.5 }, 8), { 8: "final" });
});

Deno.test("isSaveDue() is when the steps took save.maxReplaySeconds", () => {
  const asked = { maxReplaySeconds: 60, maxOverhead: 0.02 };
  assert.deepEqual([59_999, 60_000, 1e9].map((steps) => dueAfter(asked, steps, 0)), [
    false,
    true,
    true,
  ]);
});

Deno.test("isSaveDue() waits until a snapshot is no more than save.maxOverhead of the steps", () => {
  const asked = { maxReplaySeconds: 1, maxOverhead: 0.25 };
  assert.deepEqual([1_000, 7_999, 8_000].map((steps) => dueAfter(asked, steps, 2_000)), [
    false,
    false,
    true,
  ]);
  assert.equal(dueAfter(asked, 1_000, 250), true, "the time alone decides for a cheap one");
});

Deno.test("isSaveDue() never is where save.maxReplaySeconds is 0", () => {
  assert.equal(dueAfter({ maxReplaySeconds: 0, maxOverhead: 1 }, Infinity, 0), false);
});

/** What is due at each step from 0 to the end of the plan. */
function due(save: Partial<RunConfig["save"]>, max: number): unknown {
  const policy = savePolicy({ save: { ...neutral, ...save }, steps: { max } });
  const steps = Array.from({ length: max + 1 }, (_, step) => [step, policy(step)] as const);
  return Object.fromEntries(steps.filter(([, reason]) => reason !== undefined));
}

/** Whether one is due when the steps and the last snapshot took so many milliseconds. */
function dueAfter(save: Partial<RunConfig["save"]>, steps: number, snapshot: number): boolean {
  return isSaveDue({ save: { ...neutral, ...save } }, { steps, snapshot });
}
