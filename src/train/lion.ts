import * as tf from "@tensorflow/tfjs";
import { clamped } from "./clamped.ts";
import { mixed } from "./mixed.ts";
import type { Optimizer } from "./optimizer.ts";
import { scoped } from "./ownership.ts";
import { mapNamed, type Tree, withLeaves } from "./tree.ts";
import { decayOf, type DecayOptions } from "./weight_decay.ts";
import { zerosLike } from "./zeros.ts";

/** The coefficients of Lion; the defaults are the paper's. */
export interface LionOptions extends DecayOptions {
  /** Share of the mean in what the step is the sign of. */
  readonly beta1?: number;
  /** Share of the mean that it keeps. */
  readonly beta2?: number;
}

/** The running mean of the gradients (mu), a tree of the parameters' structure. */
export type LionState = { readonly mu: Tree };

/**
 * Lion (Chen et al., 2023, "Symbolic Discovery of Optimization Algorithms", algorithm 2), learning rate
 * included: every element moves by the rate, whatever its gradient's size, and decays apart from that.
 *
 * c = beta1 mu + (1 - beta1) g; the update is -rate (sign(c) + decay param); mu' = beta2 mu + (1 - beta2) g.
 * The authors advise a rate 3 to 10 times smaller than Adam's, and a decay as many times larger.
 *
 * @example
 * ```ts
 * import { lion } from "foldlog";
 *
 * const { mu } = lion({ weightDecay: 1 }).init({});
 * if (Object.keys(mu).length !== 0) throw new Error("no parameters, no mean");
 * ```
 */
export function lion(options: LionOptions = {}): Optimizer<LionState> {
  const { beta1 = 0.9, beta2 = 0.99 } = options;
  const decayAt = decayOf(options);
  return {
    init: (params) => ({ mu: zerosLike(params) }),
    update(gradients, state, params, { learningRate }) {
      const mus: tf.Tensor[] = [];
      const updates = mapNamed(
        (path, gradient, mu, param) => {
          const decay = decayAt(path, param!);
          const next = scoped(() => {
            const step = signOf(mixed(mu!, gradient, beta1));
            const decayed = decay > 0 ? tf.add(step, tf.mul(param!, decay)) : step;
            return { update: tf.mul(decayed, -learningRate), mu: mixed(mu!, gradient, beta2) };
          });
          mus.push(next.mu);
          return next.update;
        },
        gradients,
        ...[state.mu, params],
      );
      return { updates, state: { mu: withLeaves(state.mu, mus) } };
    },
  };
}

/**
 * 1, -1, 0 of 0 and NaN of NaN, as a line so steep that it is a step for all but subnormal numbers.
 *
 * `tf.sign` makes 0 of NaN, which would stop a parameter for good and in silence; on wasm it makes 0 of
 * subnormal numbers too.
 */
function signOf(x: tf.Tensor): tf.Tensor {
  return clamped(tf.mul(x, 2 ** 127), 1);
}
