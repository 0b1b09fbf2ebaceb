import assert from "node:assert/strict";
import { defaultConfig, mergeConfig, type ScheduleName } from "../../src/core/config.ts";
import { scheduleOf } from "../../src/core/schedule_of.ts";

// Update n (counted from 0) turns state n into state n + 1, so the last update of a plan of 10 is 9.

Deno.test("scheduleOf() constant is the learning rate from the first update to the last", () => {
  assert.deepEqual(rates({ name: "constant" }), Array(10).fill(8));
});

Deno.test("scheduleOf() constant warms up from 0 and is at the peak after warmupSteps updates", () => {
  assert.deepEqual(rates({ name: "constant", warmupSteps: 4 }), [0, 2, 4, 6, 8, 8, 8, 8, 8, 8]);
});

Deno.test("scheduleOf() cosine falls from the peak to factor times the peak over the plan", () => {
  // 5 + 3 cos(pi n / 10), the middle of 8 and 2 plus half of their distance
  const expected = [8, 5 + 3 * cos(18), 5 + 3 * cos(36), 5 + 3 * cos(54), 5 + 3 * cos(72)];
  expected.push(5, 5 - 3 * cos(72), 5 - 3 * cos(54), 5 - 3 * cos(36), 5 - 3 * cos(18));
  assertClose(rates({ name: "cosine", factor: 0.25 }), expected);
  assert.equal(rateOf({ name: "cosine", factor: 0.25 })(10), 2);
  assert.equal(rateOf({ name: "cosine", factor: 0.25 })(1000), 2);
});

Deno.test("scheduleOf() cosine begins its fall where the warm-up ends, and ends with the plan", () => {
  // Warm-up of 4, then 6 updates: 4 + 4 cos(pi n / 6), factor 0.
  const fall = [8, 4 + 4 * cos(30), 6, 4, 2, 4 - 4 * cos(30)];
  assertClose(rates({ name: "cosine", factor: 0, warmupSteps: 4 }), [0, 2, 4, 6, ...fall]);
  assert.equal(rateOf({ name: "cosine", factor: 0, warmupSteps: 4 })(10), 0);
});

Deno.test("scheduleOf() step drops by factor every so many updates, counted after the warm-up", () => {
  const step = { name: "step", factor: 0.5, every: 3 } as const;
  assert.deepEqual(rates(step), [8, 8, 8, 4, 4, 4, 2, 2, 2, 1]);
  assert.deepEqual(rates({ ...step, warmupSteps: 2 }), [0, 4, 8, 8, 8, 4, 4, 4, 2, 2]);
});

Deno.test("scheduleOf() warmupStableDecay warms up, holds, and falls in the last `every` updates", () => {
  const decay = { name: "warmupStableDecay", warmupSteps: 2, factor: 0.5, every: 4 } as const;
  assert.deepEqual(rates(decay), [0, 4, 8, 8, 8, 8, 8, 7, 6, 5]);
  assert.equal(rateOf(decay)(10), 4);
  assert.equal(rateOf(decay)(1000), 4);
  assert.deepEqual(rates({ ...decay, warmupSteps: 0 }), [8, 8, 8, 8, 8, 8, 8, 7, 6, 5]);
});

Deno.test("scheduleOf() warmupStableDecay falls from the warm-up's end where the plan is short", () => {
  const decay = { name: "warmupStableDecay", warmupSteps: 2, factor: 0, every: 100 } as const;
  assert.deepEqual(rates(decay), [0, 4, 8, 7, 6, 5, 4, 3, 2, 1]);
});

Deno.test("scheduleOf() never leaves the warm-up where the plan ends first, whatever the name", () => {
  for (const name of ["constant", "cosine", "step", "warmupStableDecay"] as const) {
    const rate = rateOf({ name, warmupSteps: 16, factor: 0.5, every: 1 });
    assert.deepEqual([0, 1, 9, 16].map(rate), [0, 0.5, 4.5, 8], name);
  }
});

Deno.test("scheduleOf() spreads cosine over steps.max: a longer plan is another schedule", () => {
  assert.equal(rateOf({ name: "cosine", factor: 0 }, 10)(5), 4);
  assert.equal(rateOf({ name: "cosine", factor: 0 }, 20)(10), 4);
  assert.equal(rateOf({ name: "cosine", factor: 0 }, 1)(0), 8);
  assert.equal(rateOf({ name: "cosine", factor: 0 }, 1)(1), 0);
});

type Changes = {
  readonly name: ScheduleName;
  readonly warmupSteps?: number;
  readonly factor?: number;
  readonly every?: number;
};

/** The schedule of a plan with learning rate 8. */
function rateOf(schedule: Changes, max = 10): (step: number) => number {
  return scheduleOf(
    mergeConfig(defaultConfig, { optimizer: { learningRate: 8 }, steps: { max }, schedule }),
  );
}

/** The learning rates of the ten updates of a plan of ten. */
function rates(schedule: Changes): readonly number[] {
  return Array.from({ length: 10 }, (_, step) => rateOf(schedule)(step));
}

function cos(degrees: number): number {
  return Math.cos(degrees / 180 * Math.PI);
}

function assertClose(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((rate, step) => {
    assert.ok(Math.abs(rate - expected[step]!) < 1e-12, `${step}: ${rate}, not ${expected[step]}`);
  });
}
