import * as tf from "@tensorflow/tfjs";
import { scoped } from "./ownership.ts";
import { mapTree, type Tree } from "./tree.ts";

/** A loss and its gradients. */
export interface LossAndGradients<P> {
  readonly loss: tf.Scalar;
  readonly gradients: P;
}

/**
 * The mean of the losses and gradients of `grains`, each computed when it is its turn.
 *
 * They are added as a binary tree over their numbers: the first 2^k of them, 2^k being the largest power
 * of two below their count, make its left branch. So the sum depends on the grains and their count
 * alone, not on who computed which: any part of the tree may be computed elsewhere. About log2(count)
 * gradients are held at a time. The caller owns the result.
 */
export function accumulate<P extends Tree>(
  grains: readonly (() => LossAndGradients<P>)[],
): LossAndGradients<P> {
  if (grains.length === 0) throw new RangeError("Expected at least one grain, found none");
  const sum = sumOf(grains);
  if (grains.length === 1) return sum;
  return {
    loss: tf.div(sum.loss, grains.length),
    gradients: mapTree((total) => tf.div(total, grains.length), sum.gradients),
  };
}

function sumOf<P extends Tree>(
  grains: readonly (() => LossAndGradients<P>)[],
): LossAndGradients<P> {
  const [first] = grains;
  if (grains.length === 1) return scoped(first!);
  const middle = 2 ** Math.floor(Math.log2(grains.length - 1));
  return scoped(() => {
    const left = sumOf(grains.slice(0, middle));
    const right = sumOf(grains.slice(middle));
    return {
      loss: tf.add<tf.Scalar>(left.loss, right.loss),
      gradients: mapTree((a, b) => tf.add(a, b!), left.gradients, right.gradients),
    };
  });
}
