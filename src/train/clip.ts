import * as tf from "@tensorflow/tfjs";
import { clamped } from "./clamped.ts";
import { sumSquares } from "./kernels/sum_squares.ts";
import { type Optimizer, stateless } from "./optimizer.ts";
import { leavesOf, mapTree, type Tree } from "./tree.ts";

/** The Euclidean norm of all leaves together, a scalar; leaves are added in sorted order. */
export function globalNorm(tree: Tree): tf.Scalar {
  const squares = leavesOf(tree).map(([, leaf]) => sumSquares(leaf));
  return tf.sqrt(squares.reduce<tf.Scalar>((sum, square) => tf.add(sum, square), tf.scalar(0)));
}

/**
 * Scales gradients down so that their global norm is at most `maxNorm` (Pascanu, Mikolov and
 * Bengio, 2013); smaller gradients pass unchanged. As in PyTorch, a norm that overflows to infinity
 * turns finite gradients into 0 and infinite ones into NaN, and one that is NaN turns all into NaN.
 */
export function clipByGlobalNorm(maxNorm: number): Optimizer<Record<string, never>> {
  return stateless((gradients) => {
    const scale = tf.div(maxNorm, tf.maximum(globalNorm(gradients), maxNorm));
    return mapTree((gradient) => tf.mul(gradient, scale), gradients);
  });
}

/**
 * Brings every element into the range from -`maxValue` to `maxValue` (PyTorch's `clip_grad_value_`);
 * smaller ones pass unchanged, and NaN stays NaN.
 */
export function clipByValue(maxValue: number): Optimizer<Record<string, never>> {
  return stateless((gradients) => mapTree((gradient) => clamped(gradient, maxValue), gradients));
}
