import { requireInteger } from "./require_integer.ts";

/**
 * A value, such as the learning rate, as a function of the step alone.
 *
 * `schedule(n)` is what the update uses that turns state n into state n + 1, so the first update of
 * a run uses `schedule(0)`. Nothing is stored: a resumed run asks for the same step and gets the
 * same number. Every schedule throws a RangeError for a step that is not an integer of at least 0.
 */
export type Schedule = (step: number) => number;

/**
 * `value` at every step.
 *
 * @throws {RangeError} unless `value` is finite
 */
export function constant(value: number): Schedule {
  requireFinite("value", value);
  return forSteps(() => value);
}

/**
 * A straight line that starts at `from` (step 0) and reaches `to` at step `steps`, then stays there.
 *
 * With `from` 0 the first update changes nothing; with 0 steps there is no warm-up.
 *
 * @throws {RangeError} unless both ends are finite and `steps` is an integer of at least 0
 */
export function linearWarmup(
  options: { readonly from: number; readonly to: number; readonly steps: number },
): Schedule {
  const { from, to, steps } = options;
  requireFinite("from", from);
  requireFinite("to", to);
  requireInteger("steps", steps, 0);
  return forSteps((step) => step >= steps ? to : from + (to - from) * (step / steps));
}

/**
 * Half a cosine that starts at `from` (step 0) and reaches `to` at step `steps`, then stays there.
 *
 * `to + (from - to) (1 + cos(pi step / steps)) / 2`: Loshchilov and Hutter, "SGDR: Stochastic
 * gradient descent with warm restarts" (ICLR 2017), equation 5, without restarts. `Math.cos` is the
 * same on every run of one V8 version; the log records the rate that a step used.
 *
 * @throws {RangeError} unless both ends are finite and `steps` is an integer of at least 0
 */
export function cosineDecay(
  options: { readonly from: number; readonly to: number; readonly steps: number },
): Schedule {
  const { from, to, steps } = options;
  requireFinite("from", from);
  requireFinite("to", to);
  requireInteger("steps", steps, 0);
  return forSteps((step) => {
    if (step >= steps) return to;
    return from + (to - from) * (1 - Math.cos(Math.PI * step / steps)) / 2;
  });
}

/**
 * `from`, multiplied by `factor` at every `every`-th step.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 *
 * const rate = stepDecay({ from: 1, factor: 0.5, every: 10 });
 * deepEqual([rate(9), rate(10), rate(20)], [1, 0.5, 0.25]);
 * ```
 * @throws {RangeError} unless `from` is finite, 0 <= factor <= 1, and `every` is an integer above 0
 */
export function stepDecay(
  options: { readonly from: number; readonly factor: number; readonly every: number },
): Schedule {
  const { from, factor, every } = options;
  requireFinite("from", from);
  if (!(factor >= 0 && factor <= 1)) {
    throw new RangeError(`factor: expected a number from 0 to 1, found ${factor}`);
  }
  requireInteger("every", every, 1);
  return forSteps((step) => from * power(factor, Math.floor(step / every)));
}

/**
 * A line from 0 to `peak`, then `peak`, then a line to `floor`, where it stays.
 *
 * The warmup-stable-decay schedule of Hu et al., "MiniCPM: Unveiling the potential of small language
 * models with scalable training strategies" (2024), section 4, which leaves the shape of the decay
 * open; a line is the plain choice. The first update has rate 0, the peak is reached at step
 * `warmupSteps`, the decay starts at step `warmupSteps + stableSteps` and ends `decaySteps` later. Any
 * stage may have 0 steps.
 *
 * @throws {RangeError} unless both rates are finite and every stage is an integer of at least 0
 */
export function warmupStableDecay(
  options: {
    readonly peak: number;
    readonly warmupSteps: number;
    readonly stableSteps: number;
    readonly decaySteps: number;
    readonly floor: number;
  },
): Schedule {
  const { peak, warmupSteps, stableSteps, decaySteps, floor } = options;
  requireInteger("warmupSteps", warmupSteps, 0);
  requireInteger("stableSteps", stableSteps, 0);
  requireInteger("decaySteps", decaySteps, 0);
  requireFinite("peak", peak);
  requireFinite("floor", floor);
  return joinSchedules([
    linearWarmup({ from: 0, to: peak, steps: warmupSteps }),
    constant(peak),
    linearWarmup({ from: peak, to: floor, steps: decaySteps }),
  ], [warmupSteps, warmupSteps + stableSteps]);
}

/**
 * One schedule after another: schedule k takes over at step `boundaries[k - 1]` and counts from 0.
 *
 * The meaning is that of optax's `join_schedules`: schedule k gets `step - boundaries[k - 1]`.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 *
 * const rate = joinSchedules([constant(1), linearWarmup({ from: 0, to: 4, steps: 2 })], [10]);
 * deepEqual([rate(9), rate(10), rate(11)], [1, 0, 2]);
 * ```
 * @throws {RangeError} unless there is one boundary fewer than schedules, and the boundaries are
 * integers of at least 0 that never fall
 */
export function joinSchedules(
  schedules: readonly Schedule[],
  boundaries: readonly number[],
): Schedule {
  if (schedules.length !== boundaries.length + 1) {
    throw new RangeError(
      `boundaries: expected one fewer than the ${schedules.length} schedules, ` +
        `found ${boundaries.length}`,
    );
  }
  boundaries.forEach((boundary, k) =>
    requireInteger(`boundaries[${k}]`, boundary, boundaries[k - 1] ?? 0)
  );
  return forSteps((step) => {
    const last = boundaries.findLastIndex((boundary) => boundary <= step);
    return schedules[last + 1]!(step - (boundaries[last] ?? 0));
  });
}

/** The schedule, refusing what is not a step. */
function forSteps(schedule: Schedule): Schedule {
  return (step) => {
    requireInteger("step", step, 0);
    return schedule(step);
  };
}

/** `base` to a whole power by squaring: `**` may differ in the last bit between V8 versions. */
function power(base: number, exponent: number): number {
  if (exponent === 0) return 1;
  const root = power(base, Math.floor(exponent / 2));
  return exponent % 2 === 0 ? root * root : root * root * base;
}

function requireFinite(name: string, found: number): void {
  if (!Number.isFinite(found)) {
    throw new RangeError(`${name}: expected a finite number, found ${found}`);
  }
}
