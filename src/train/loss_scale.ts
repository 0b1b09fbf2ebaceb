import * as tf from "@tensorflow/tfjs";
import { LOSS_SCALES } from "../core/loss_scale_rule.ts";
import { whereFinite } from "./kernels/choose.ts";
import { scoped } from "./ownership.ts";
import { mapTree, type Tree } from "./tree.ts";

/**
 * What the loss is multiplied by in mixed precision, as a part of the training state: gradients that would
 * vanish in float16 are kept, and divided by the same number before they are used.
 */
export type LossScale = {
  /** A power of two: multiplying by it and dividing by it again gives the same number. */
  readonly scale: tf.Scalar;
  /** Steps in a row with finite gradients, counted anew each time that the scale was to change. */
  readonly finiteSteps: tf.Scalar;
};

/** How a loss scale begins and grows. */
export interface LossScaleOptions {
  /** At step 0; a power of two. */
  readonly initial: number;
  /** Steps in a row with finite gradients after which it is doubled. */
  readonly growthInterval: number;
}

/** The loss scale at step 0, which the caller owns. */
export function initLossScale({ initial }: Pick<LossScaleOptions, "initial">): LossScale {
  return { scale: tf.scalar(initial), finiteSteps: tf.scalar(0) };
}

/** The gradients of a loss, from those of the loss times the scale. */
export function unscaled<P extends Tree>(gradients: P, { scale }: LossScale): P {
  return mapTree((gradient) => tf.div(gradient, scale), gradients);
}

/** The loss scale after a step whose gradients have this norm: `lossScaleAfter`, on the device. */
export function nextLossScale(
  { scale, finiteSteps }: LossScale,
  norm: tf.Scalar,
  { growthInterval }: Pick<LossScaleOptions, "growthInterval">,
): LossScale {
  return scoped(() => {
    const count = tf.add<tf.Scalar>(finiteSteps, 1);
    const grows = tf.equal(count, growthInterval);
    const doubled = tf.minimum<tf.Scalar>(tf.mul(scale, 2), LOSS_SCALES.largest);
    const halved = tf.maximum<tf.Scalar>(tf.mul(scale, 0.5), LOSS_SCALES.smallest);
    const zero = tf.scalar(0);
    return {
      scale: whereFinite(norm, tf.where(grows, doubled, scale), halved),
      finiteSteps: whereFinite(norm, tf.where(grows, zero, count), zero),
    };
  });
}

/** `next` where the norm is finite, else `previous`, bit for bit: how a step is skipped. */
export function unlessSkipped<T extends Tree>(norm: tf.Scalar, next: T, previous: T): T {
  return mapTree(
    (after, before) => after === before ? after : whereFinite(norm, after, before),
    next,
    previous,
  );
}
