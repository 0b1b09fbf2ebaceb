import type * as tf from "@tensorflow/tfjs";
import { type Kernel, run } from "./kernel.ts";

/**
 * Of x: each element rounded to the nearest number of IEEE 754's binary16, ties to even, as a float32.
 *
 * All of binary16 is there: multiples of 2^-24 below 2^-14, zeros with their sign, infinity from 65520
 * on. Each NaN becomes the one with the bits 0x7fc00000.
 */
export const HALF: Kernel = { name: "foldlog.Half", results: ([x]) => [x!] };

/**
 * x (float32, any shape) rounded to half precision and kept as float32: the same bits on every backend.
 *
 * It has no gradient of its own; operations that round what they take have theirs. Borrows `x`; the
 * caller owns the result.
 */
export function half<T extends tf.Tensor>(x: T): T {
  return run(HALF, [x], {})[0] as T;
}
