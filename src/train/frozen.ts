import * as tf from "@tensorflow/tfjs";
import { type Optimizer, stateless } from "./optimizer.ts";
import { mapTree } from "./tree.ts";

/**
 * The optimiser of parameters that stay as they are, bit for bit; it keeps no state. For a group of
 * `perGroup`.
 *
 * Its update is -0, not 0: x + -0 is x for every x, and -0 + 0 is 0.
 */
export function frozen(): Optimizer<Record<string, never>> {
  return stateless((gradients) => mapTree(({ shape }) => tf.fill(shape, -0), gradients));
}
