import * as tf from "@tensorflow/tfjs";
import { chain } from "./chain.ts";
import { type Optimizer, stateless } from "./optimizer.ts";
import { mapTree, type Tree } from "./tree.ts";
import { zerosLike } from "./zeros.ts";

/** Multiplies updates by minus the learning rate: the last transform of a chain. */
export function scaleByLearningRate(): Optimizer<Record<string, never>> {
  return stateless((gradients, _params, { learningRate }) =>
    mapTree((gradient) => tf.mul(gradient, -learningRate), gradients)
  );
}

/**
 * Adds to each gradient `decay` times the velocity so far: the heavy ball (Polyak, 1964), v' = decay v + g.
 *
 * With `nesterov` it gives g + decay v' in place of v': where the velocity will have led to (Sutskever et
 * al., 2013, in the form of PyTorch's SGD). The state is the velocity either way.
 */
export function trace(
  decay: number,
  { nesterov = false }: { readonly nesterov?: boolean } = {},
): Optimizer {
  return {
    init: zerosLike,
    update<P extends Tree>(gradients: P, state: Tree) {
      const velocity = mapTree(
        (gradient, before) => tf.add(tf.mul(before, decay), gradient),
        gradients,
        state,
      );
      const updates = nesterov
        ? mapTree((gradient, v) => tf.add(gradient, tf.mul(v, decay)), gradients, velocity)
        : velocity;
      return { updates, state: velocity };
    },
  };
}

/**
 * Stochastic gradient descent, with heavy-ball momentum where `momentum` is above 0, and Nesterov's where
 * `nesterov` says so.
 *
 * The rate multiplies the velocity, as in PyTorch: a rate that changes does so at once. For coupled
 * weight decay put `addDecayedWeights` before it in a chain.
 *
 * @example
 * ```ts
 * import { addDecayedWeights, chain, sgd } from "foldlog";
 *
 * const optimizer = chain(addDecayedWeights(1e-4), sgd({ momentum: 0.9, nesterov: true }));
 * if (optimizer.init({}).length !== 2) throw new Error("expected a state for each");
 * ```
 */
export function sgd(
  { momentum = 0, nesterov = false }: {
    readonly momentum?: number;
    readonly nesterov?: boolean;
  } = {},
): Optimizer {
  if (momentum === 0) return scaleByLearningRate();
  return chain(trace(momentum, { nesterov }), scaleByLearningRate());
}
