import * as tf from "@tensorflow/tfjs";
import { chain } from "./chain.ts";
import { type Optimizer, stateless } from "./optimizer.ts";
import { mapTree, type Tree } from "./tree.ts";

/** Multiplies updates by minus the learning rate: the last transform of a chain. */
export function scaleByLearningRate(): Optimizer<Record<string, never>> {
  return stateless((gradients, _params, { learningRate }) =>
    mapTree((gradient) => tf.mul(gradient, -learningRate), gradients)
  );
}

/** Adds to each gradient `decay` times the velocity so far: the heavy ball (Polyak, 1964). */
export function trace(decay: number): Optimizer {
  return {
    init: (params) => mapTree((leaf) => tf.zerosLike(leaf), params),
    update<P extends Tree>(gradients: P, state: Tree) {
      const velocity = mapTree(
        (gradient, before) => tf.add(tf.mul(before, decay), gradient),
        gradients,
        state,
      );
      return { updates: velocity, state: velocity };
    },
  };
}

/** Stochastic gradient descent, with heavy-ball momentum where `momentum` is above 0. */
export function sgd({ momentum = 0 }: { readonly momentum?: number } = {}): Optimizer {
  return momentum === 0 ? scaleByLearningRate() : chain(trace(momentum), scaleByLearningRate());
}
