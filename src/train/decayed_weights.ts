import * as tf from "@tensorflow/tfjs";
import { type Optimizer, stateless } from "./optimizer.ts";
import { mapNamed } from "./tree.ts";
import { type DecayMask, hasTwoDimensions } from "./weight_decay.ts";

/**
 * Adds `weightDecay` times the parameter to the updates of those parameters that `decays` names: those
 * of two or more dimensions, unless it is given.
 */
export function addDecayedWeights(
  weightDecay: number,
  decays: DecayMask = hasTwoDimensions,
): Optimizer<Record<string, never>> {
  return stateless((gradients, params) =>
    mapNamed(
      (path, update, param) =>
        decays(path, param!) ? tf.add(update, tf.mul(param!, weightDecay)) : update,
      gradients,
      params,
    )
  );
}
