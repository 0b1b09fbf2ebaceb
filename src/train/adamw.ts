import type * as tf from "@tensorflow/tfjs";
import { adamUpdate } from "./kernels/adam_update.ts";
import type { Optimizer, UpdateContext } from "./optimizer.ts";
import { mapNamed, type Tree, withLeaves } from "./tree.ts";
import { decayOf, type DecayOptions } from "./weight_decay.ts";
import { zerosLike } from "./zeros.ts";

/** The coefficients of Adam; the defaults are the paper's. */
export interface AdamOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

/** Running means of the gradients (mu) and of their squares (nu), as trees of the parameters' structure. */
export type AdamState = { readonly mu: Tree; readonly nu: Tree };

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019, algorithm 2), learning rate included, as
 * one kernel for each parameter.
 *
 * Decay is left out for parameters of fewer than two dimensions (biases, norms), as is usual for
 * transformers, unless `decays` says otherwise.
 */
export function adamw(options: AdamOptions & DecayOptions = {}): Optimizer<AdamState> {
  const decay = decayOf(options);
  return adamWith(options, (path, param, { learningRate }) => ({
    learningRate,
    decay: decay(path, param),
  }));
}

/** Adam (Kingma and Ba, 2015, algorithm 1): `adamw` without decay. */
export function adam(options: AdamOptions = {}): Optimizer<AdamState> {
  return adamw({ ...options, weightDecay: 0 }); // a config's options have a decay, for others
}

/** Adam's scaling alone, for a chain: the first moment over the root of the second, both corrected. */
export function scaleByAdam(options: AdamOptions = {}): Optimizer<AdamState> {
  return adamWith(options, () => ({ learningRate: -1, decay: 0 })); // an update is subtracted
}

/**
 * The corrections of the moments for their start at zero are derived from the step, never stored.
 */
function adamWith(
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamOptions,
  ratesOf: (
    path: string,
    param: tf.Tensor,
    context: UpdateContext,
  ) => { readonly learningRate: number; readonly decay: number },
): Optimizer<AdamState> {
  return {
    init: (params) => ({ mu: zerosLike(params), nu: zerosLike(params) }),
    update(gradients, state, params, context) {
      const correction1 = 1 - beta1 ** (context.step + 1);
      const correction2 = 1 - beta2 ** (context.step + 1);
      const shared = { beta1, beta2, epsilon, correction1, correction2 };
      const mus: tf.Tensor[] = [];
      const nus: tf.Tensor[] = [];
      const updates = mapNamed(
        (path, gradient, mu, nu, param) => {
          const numbers = { ...shared, ...ratesOf(path, param!, context) };
          const next = adamUpdate(gradient, { mu: mu!, nu: nu! }, param!, numbers);
          mus.push(next.mu);
          nus.push(next.nu);
          return next.update;
        },
        gradients,
        ...[state.mu, state.nu, params],
      );
      return { updates, state: { mu: withLeaves(state.mu, mus), nu: withLeaves(state.nu, nus) } };
    },
  };
}
