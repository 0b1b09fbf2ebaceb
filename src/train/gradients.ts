import * as tf from "@tensorflow/tfjs";
import { release } from "./ownership.ts";

/** The value of a function, and its gradient with respect to each of some tensors. */
export interface ValueAndGradients {
  readonly value: tf.Tensor;
  /** Undefined where the value does not depend on the tensor. */
  readonly gradients: readonly (tf.Tensor | undefined)[];
}

/**
 * The value of `f`, and the gradients of `dy` times it (of itself, where `dy` is left out) with respect to
 * `inputs`. The caller owns the results.
 *
 * What tfjs keeps for the gradients is freed as well where `f` or a gradient throws, which tfjs does not do.
 */
export function gradientsOf(
  f: () => tf.Tensor,
  inputs: readonly tf.Tensor[],
  dy?: tf.Tensor,
): ValueAndGradients {
  try {
    const { value, grads } = tf.engine().gradients(f, [...inputs], dy, true);
    return { value, gradients: grads };
  } catch (error) {
    freeTape();
    throw error;
  }
}

/** Frees what was kept on the way, unless gradients around these still need it. */
function freeTape(): void {
  const { state } = tf.engine();
  if (state.gradientDepth > 0) return;
  for (const { saved } of state.activeTape ?? []) release(saved ?? []);
  state.activeTape = [];
}
