import * as tf from "@tensorflow/tfjs";
import { defaultConfig, type Precision } from "../core/config.ts";
import { foldIn, type RngKey } from "../core/rng_key.ts";
import type { Schedule } from "../core/schedule.ts";
import { globalNorm } from "./clip.ts";
import { batchToDevice } from "./device_tensor.ts";
import { emaOf } from "./ema.ts";
import { accumulate, type LossAndGradients } from "./gradient_accumulation.ts";
import type { HostBatch, Loss } from "./loss.ts";
import { type LossScaleOptions, nextLossScale, unlessSkipped, unscaled } from "./loss_scale.ts";
import type { Optimizer, UpdateContext } from "./optimizer.ts";
import { scoped } from "./ownership.ts";
import { withPrecision } from "./precision.ts";
import type { TrainState } from "./train_state.ts";
import { leavesOf, mapTree, type Tree, withLeaves } from "./tree.ts";

/** The parts of a training that no step changes. */
export interface Training<P extends Tree = Tree> {
  readonly loss: Loss<P>;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  /** Root of the randomness of the steps. */
  readonly key: RngKey;
  /** What of the average of the parameters is kept at a step, for states that have one. */
  readonly emaDecay?: number;
  /** How products are computed; float32 unless it is given. */
  readonly precision?: Precision;
  /** How the loss scale changes, for states that have one. */
  readonly lossScale?: LossScaleOptions;
}

/** What a step measured. `values` stays on the device until the loop reads it. */
export interface DeviceMetrics {
  readonly learningRate: number;
  /**
   * [2]: mean loss before the update, norm of the gradients before clipping. In mixed precision [3]: and
   * the loss scale of the step, which was skipped if the norm is not finite.
   */
  readonly values: tf.Tensor1D;
}

/**
 * One optimiser update: the next state and what was measured on the way.
 *
 * Pure and synchronous. `grains` are the parts of the batch, of equal size, in order: each has a forward
 * and backward pass and a key of its own, and the mean of their gradients (see `accumulate`) is what the
 * optimiser gets. With a loss scale, a step whose gradients are not finite leaves all as it is but the
 * scale. Borrows `state`; the caller owns the result's tensors, some of which may be the
 * state's own (see `release`).
 */
export function trainStep<P extends Tree>(
  training: Training<P>,
  state: TrainState<P>,
  grains: readonly HostBatch[],
): { readonly state: TrainState<P>; readonly metrics: DeviceMetrics } {
  const { step, lossScale } = state;
  const learningRate = training.schedule(step);
  const { values, ...parts } = scoped(() => {
    const { loss, gradients } = meanOf(training, state, grains);
    const norm = globalNorm(gradients);
    const after = updated(training, state, gradients, { step, learningRate });
    if (lossScale === undefined) return { ...after, values: tf.stack([loss, norm]) };
    const { params, optimizer, ema } = state;
    return {
      ...unlessSkipped(norm, after, { params, optimizer, ...(ema && { ema }) }),
      lossScale: nextLossScale(lossScale, norm, training.lossScale ?? defaultConfig.lossScale),
      values: tf.stack([loss, norm, lossScale.scale]),
    };
  });
  return {
    state: { step: step + 1, ...parts },
    metrics: { learningRate, values: values as tf.Tensor1D },
  };
}

/** The mean loss of the grains, and its gradients. */
function meanOf<P extends Tree>(
  { loss, key, precision = "float32" }: Training<P>,
  { step, params, lossScale }: TrainState<P>,
  grains: readonly HostBatch[],
): LossAndGradients<P> {
  const stepKey = foldIn(key, step);
  const passes = grains.map((grain, number) => () => {
    const pass = () =>
      lossAndGradients(loss, params, grain, foldIn(stepKey, number), lossScale?.scale);
    return withPrecision(precision, pass);
  });
  const mean = accumulate(passes);
  return lossScale === undefined ? mean : unscaled(mean, lossScale);
}

/** What the optimiser makes of a state. */
function updated<P extends Tree>(
  { optimizer, emaDecay = 0 }: Training<P>,
  state: TrainState<P>,
  gradients: P,
  context: UpdateContext,
): Pick<TrainState<P>, "params" | "optimizer" | "ema"> {
  const update = optimizer.update(gradients, state.optimizer, state.params, context);
  const params = mapTree((param, change) => tf.add(param, change), state.params, update.updates);
  const ema = state.ema && emaOf(emaDecay)(state.ema, params);
  return { params, optimizer: update.state, ...(ema && { ema }) };
}

/** Of one grain, both times `scale` where there is one. */
function lossAndGradients<P extends Tree>(
  loss: Loss<P>,
  params: P,
  hostBatch: HostBatch,
  key: RngKey,
  scale: tf.Scalar | undefined,
): LossAndGradients<P> {
  const batch = batchToDevice(hostBatch);
  const leaves = leavesOf(params);
  const inputs = leaves.map(([, leaf]) => leaf);
  const scaled = () => {
    const value = loss(params, batch, key);
    return scale === undefined ? value : tf.mul<tf.Scalar>(value, scale);
  };
  const { value, grads } = tf.engine().gradients(scaled, inputs, undefined, true);
  const unused = leaves.find((_, index) => !grads[index]);
  if (unused !== undefined) {
    throw new TypeError(
      `Expected the loss to depend on every parameter, found that "${unused[0]}" is not used: ` +
        "use it or leave it out of the parameters",
    );
  }
  return { loss: value as tf.Scalar, gradients: withLeaves(params, grads) };
}
