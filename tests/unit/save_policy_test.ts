import assert from "node:assert/strict";
import { savePolicy } from "../../src/core/save_policy.ts";

Deno.test("savePolicy() is due at each multiple of save.every and, as final, at the plan's end", () => {
  assert.deepEqual(due({ every: 3, max: 8 }), { 3: "scheduled", 6: "scheduled", 8: "final" });
});

Deno.test("savePolicy() calls the last step final even where it is a multiple", () => {
  assert.deepEqual(due({ every: 4, max: 8 }), { 4: "scheduled", 8: "final" });
  assert.deepEqual(due({ every: 1, max: 2 }), { 1: "scheduled", 2: "final" });
});

Deno.test("savePolicy() takes the final snapshot alone where save.every is 0 or beyond the plan", () => {
  assert.deepEqual(due({ every: 0, max: 8 }), { 8: "final" });
  assert.deepEqual(due({ every: 9, max: 8 }), { 8: "final" });
});

Deno.test("savePolicy() takes no snapshot of step 0, which the seed determines", () => {
  assert.equal(savePolicy({ save: { every: 1 }, steps: { max: 8 } })(0), undefined);
});

/** What is due at each step from 0 to the end of the plan. */
function due({ every, max }: { readonly every: number; readonly max: number }): unknown {
  const policy = savePolicy({ save: { every }, steps: { max } });
  const steps = Array.from({ length: max + 1 }, (_, step) => [step, policy(step)] as const);
  return Object.fromEntries(steps.filter(([, reason]) => reason !== undefined));
}
