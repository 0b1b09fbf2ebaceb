import * as tf from "@tensorflow/tfjs";
import { chain } from "./chain.ts";
import { type Optimizer, stateless } from "./optimizer.ts";
import { scaleByLearningRate } from "./sgd.ts";
import { mapTree, type Tree } from "./tree.ts";

/** The coefficients of Adam; the defaults are the paper's. */
export interface AdamOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

type AdamState = { readonly mu: Tree; readonly nu: Tree };

/**
 * Adam's scaling (Kingma and Ba, 2015, algorithm 1): first moment over the root of the second, both
 * corrected for their start at zero. The corrections are derived from the step, never stored.
 */
export function scaleByAdam(options: AdamOptions = {}): Optimizer<AdamState> {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  return {
    init: (params) => ({ mu: zeros(params), nu: zeros(params) }),
    update(gradients, state, _params, { step }) {
      const mu = mapTree(
        (gradient, before) => tf.add(tf.mul(before, beta1), tf.mul(gradient, 1 - beta1)),
        gradients,
        state.mu,
      );
      const nu = mapTree(
        (gradient, before) => tf.add(tf.mul(before, beta2), tf.mul(tf.square(gradient), 1 - beta2)),
        gradients,
        state.nu,
      );
      const correction1 = 1 - beta1 ** (step + 1);
      const correction2 = 1 - beta2 ** (step + 1);
      const updates = mapTree(
        (first, second) =>
          tf.div(
            tf.div(first, correction1),
            tf.add(tf.sqrt(tf.div(second, correction2)), epsilon),
          ),
        mu,
        nu,
      );
      return { updates, state: { mu, nu } };
    },
  };
}

/** Adds `weightDecay` times the parameter to the updates of parameters of two or more dimensions. */
export function addDecayedWeights(weightDecay: number): Optimizer<Record<string, never>> {
  return stateless((gradients, params) =>
    mapTree(
      (update, param) => param.rank < 2 ? update : tf.add(update, tf.mul(param, weightDecay)),
      gradients,
      params,
    )
  );
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
 *
 * Decay is left out for parameters of fewer than two dimensions (biases, norms), as is usual for
 * transformers.
 */
export function adamw(options: AdamOptions & { readonly weightDecay?: number } = {}): Optimizer {
  const { weightDecay = 0 } = options;
  const decay = weightDecay === 0 ? [] : [addDecayedWeights(weightDecay)];
  return chain(scaleByAdam(options), ...decay, scaleByLearningRate()) as Optimizer;
}

function zeros(params: Tree): Tree {
  return mapTree((leaf) => tf.zerosLike(leaf), params);
}
