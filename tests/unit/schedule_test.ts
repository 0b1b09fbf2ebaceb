import assert from "node:assert/strict";
import fc from "fast-check";
import {
  constant,
  cosineDecay,
  joinSchedules,
  linearWarmup,
  type Schedule,
  stepDecay,
  warmupStableDecay,
} from "../../src/core/schedule.ts";

Deno.test("constant() is its value at every step", () => {
  assert.deepEqual([0, 1, 1e9].map(constant(0.3)), [0.3, 0.3, 0.3]);
});

Deno.test("linearWarmup() goes up in equal parts and stays at the top", () => {
  const rate = linearWarmup({ from: 0, to: 1, steps: 4 });
  assert.deepEqual([0, 1, 2, 3, 4, 5, 1e9].map(rate), [0, 0.25, 0.5, 0.75, 1, 1, 1]);
  assert.deepEqual([0, 1, 2].map(linearWarmup({ from: 2, to: 3, steps: 2 })), [2, 2.5, 3]);
});

Deno.test("linearWarmup() and cosineDecay() of no steps are at their end from the first", () => {
  assert.equal(linearWarmup({ from: 0, to: 0.1, steps: 0 })(0), 0.1);
  assert.equal(cosineDecay({ from: 0, to: 0.1, steps: 0 })(0), 0.1);
});

Deno.test("cosineDecay() is half a cosine from one end to the other", () => {
  const rate = cosineDecay({ from: 3, to: 1, steps: 6 });
  const expected = [3, 2 + Math.sqrt(3) / 2, 2.5, 2, 1.5, 2 - Math.sqrt(3) / 2, 1, 1];
  expected.forEach((value, step) => assertClose(rate(step), value));
});

Deno.test("linearWarmup() and cosineDecay() have exactly the ends that were asked for", () => {
  fc.assert(fc.property(rates(), rates(), fc.integer({ min: 1, max: 1e6 }), (from, to, steps) => {
    for (const schedule of [linearWarmup, cosineDecay]) {
      const rate = schedule({ from, to, steps });
      assert.deepEqual([rate(0), rate(steps), rate(2 * steps)], [from, to, to]);
    }
  }));
});

Deno.test("cosineDecay() to 0 never rises and never falls below 0", () => {
  fc.assert(fc.property(rates(), fc.integer({ min: 1, max: 200 }), (from, steps) => {
    const values = firstValues(cosineDecay({ from, to: 0, steps }), steps + 2);
    values.forEach((value, step) => assert.ok(value >= 0 && value <= (values[step - 1] ?? from)));
  }));
});

Deno.test("stepDecay() drops by its factor at every every-th step", () => {
  const rate = stepDecay({ from: 8, factor: 0.5, every: 3 });
  assert.deepEqual(firstValues(rate, 10), [8, 8, 8, 4, 4, 4, 2, 2, 2, 1]);
  assert.deepEqual(firstValues(stepDecay({ from: 1, factor: 0, every: 1 }), 3), [1, 0, 0]);
  assertClose(stepDecay({ from: 1, factor: 0.9, every: 1 })(37), 0.9 ** 37);
});

Deno.test("warmupStableDecay() rises, holds, falls and stays at its floor", () => {
  const rate = warmupStableDecay({
    peak: 4,
    warmupSteps: 4,
    stableSteps: 3,
    decaySteps: 2,
    floor: 1,
  });
  assert.deepEqual(firstValues(rate, 11), [0, 1, 2, 3, 4, 4, 4, 4, 2.5, 1, 1]);
});

Deno.test("warmupStableDecay() may leave out any stage", () => {
  const none = { peak: 4, warmupSteps: 0, stableSteps: 0, decaySteps: 0, floor: 1 };
  assert.deepEqual(firstValues(warmupStableDecay(none), 2), [1, 1]);
  assert.deepEqual(firstValues(warmupStableDecay({ ...none, stableSteps: 2 }), 4), [4, 4, 1, 1]);
  assert.deepEqual(firstValues(warmupStableDecay({ ...none, warmupSteps: 2 }), 4), [0, 2, 1, 1]);
  assert.deepEqual(firstValues(warmupStableDecay({ ...none, decaySteps: 2 }), 4), [4, 2.5, 1, 1]);
});

Deno.test("joinSchedules() gives schedule k the steps since boundary k - 1, as optax does", () => {
  const own: Schedule = (step) => step;
  const rate = joinSchedules([own, (step) => 100 + step, (step) => 200 + step], [3, 5]);
  assert.deepEqual(firstValues(rate, 8), [0, 1, 2, 100, 101, 200, 201, 202]);
});

Deno.test("joinSchedules() passes over a schedule whose boundaries are equal", () => {
  const rate = joinSchedules([constant(1), constant(2), constant(3)], [2, 2]);
  assert.deepEqual(firstValues(rate, 4), [1, 1, 3, 3]);
  assert.equal(joinSchedules([constant(1), constant(2)], [0])(0), 2);
  assert.equal(joinSchedules([constant(7)], [])(5), 7);
});

Deno.test("schedules refuse settings that make no sense and name the one", () => {
  const stages = { peak: 1, warmupSteps: 1, stableSteps: 1, decaySteps: 1, floor: 0 };
  const bad: [make: () => Schedule, message: RegExp][] = [
    [() => constant(NaN), /^value: expected a finite number, found NaN$/],
    [() => linearWarmup({ from: Infinity, to: 1, steps: 1 }), /^from: /],
    [() => linearWarmup({ from: 0, to: NaN, steps: 1 }), /^to: /],
    [() => linearWarmup({ from: 0, to: 1, steps: -1 }), /^steps: .*found -1$/],
    [() => cosineDecay({ from: NaN, to: 0, steps: 1 }), /^from: /],
    [() => cosineDecay({ from: 1, to: -Infinity, steps: 1 }), /^to: /],
    [() => cosineDecay({ from: 1, to: 0, steps: 1.5 }), /^steps: .*found 1.5$/],
    [() => stepDecay({ from: NaN, factor: 0.5, every: 1 }), /^from: /],
    [() => stepDecay({ from: 1, factor: 1.5, every: 1 }), /^factor: .*from 0 to 1, found 1.5$/],
    [() => stepDecay({ from: 1, factor: NaN, every: 1 }), /^factor: /],
    [() => stepDecay({ from: 1, factor: 0.5, every: 0 }), /^every: .*from 1 .*found 0$/],
    [() => warmupStableDecay({ ...stages, peak: NaN }), /^peak: /],
    [() => warmupStableDecay({ ...stages, floor: NaN }), /^floor: /],
    [() => warmupStableDecay({ ...stages, warmupSteps: -1 }), /^warmupSteps: /],
    [() => warmupStableDecay({ ...stages, stableSteps: -1 }), /^stableSteps: /],
    [() => warmupStableDecay({ ...stages, decaySteps: 0.5 }), /^decaySteps: /],
    [() => joinSchedules([], []), /^boundaries: .*0 schedules, found 0$/],
    [() => joinSchedules([constant(1)], [5]), /^boundaries: .*1 schedules, found 1$/],
    [() => joinSchedules([constant(1), constant(2)], [-1]), /^boundaries\[0\]: /],
    [() => joinSchedules([constant(1), constant(2), constant(3)], [5, 4]), /^boundaries\[1\]: /],
  ];
  for (const [make, message] of bad) assert.throws(make, { name: "RangeError", message });
});

Deno.test("every schedule refuses what is not a step", () => {
  const stages = { peak: 1, warmupSteps: 1, stableSteps: 1, decaySteps: 1, floor: 0 };
  const schedules = [
    constant(1),
    linearWarmup({ from: 0, to: 1, steps: 2 }),
    cosineDecay({ from: 1, to: 0, steps: 2 }),
    stepDecay({ from: 1, factor: 0.5, every: 2 }),
    warmupStableDecay(stages),
    joinSchedules([() => 1, () => 2], [2]),
  ];
  for (const schedule of schedules) {
    for (const step of [-1, 0.5, NaN, Infinity]) {
      assert.throws(() => schedule(step), {
        name: "RangeError",
        message: `step: expected an integer from 0 to 9007199254740991, found ${step}`,
      });
    }
  }
});

/** Learning rates; `from` and `to` may come in either order. */
function rates(): fc.Arbitrary<number> {
  return fc.double({ min: 0, max: 10, noNaN: true });
}

function firstValues(schedule: Schedule, count: number): number[] {
  return Array.from({ length: count }, (_, step) => schedule(step));
}

function assertClose(actual: number, expected: number): void {
  const message = `expected ${expected}, found ${actual}`;
  assert.ok(Math.abs(actual - expected) <= 1e-14 * Math.abs(expected), message);
}
