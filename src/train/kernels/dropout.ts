import type * as tf from "@tensorflow/tfjs";
import type { RngKey } from "../../core/rng_key.ts";
import { type Kernel, run } from "./kernel.ts";
import { withGradient } from "./with_gradient.ts";

/** A key of random numbers, and what becomes of an element: times `kept` where its word reaches `threshold`. */
type DropoutAttributes = {
  readonly hi: number;
  readonly lo: number;
  readonly threshold: number;
  readonly kept: number;
};

/** Of x: element i times `kept` where word i of `bits(key)` is at least `threshold`, times 0 elsewhere. */
export const DROPOUT: Kernel<DropoutAttributes> = {
  name: "foldlog.Dropout",
  results: ([x]) => [x!],
};

/**
 * Sets each element to zero with probability `rate` and scales the others by 1 / (1 - rate)
 * (Srivastava et al., 2014). What is set to zero is a function of `key` alone, the same on every
 * backend: its numbers are made where they are used.
 */
export function dropout<T extends tf.Tensor>(x: T, rate: number, { hi, lo }: RngKey): T {
  if (rate === 0) return x;
  const threshold = Math.round(rate * 2 ** 32);
  const attributes = { hi, lo, threshold, kept: Math.fround(1 / (1 - rate)) };
  const drop = (input: tf.Tensor) => run(DROPOUT, [input], attributes)[0]!;
  return withGradient([x], ([input]) => ({ value: drop(input!), saved: [] }), (dy) => [drop(dy)]);
}
