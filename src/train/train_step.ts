import * as tf from "@tensorflow/tfjs";
import { defaultConfig, type Precision } from "../core/config.ts";
import { foldIn, type RngKey } from "../core/rng_key.ts";
import type { Schedule } from "../core/schedule.ts";
import { globalNorm } from "./clip.ts";
import { batchToDevice } from "./device_tensor.ts";
import { emaOf } from "./ema.ts";
import { accumulate, type LossAndGradients } from "./gradient_accumulation.ts";
import { gradientsOf } from "./gradients.ts";
import type { HostBatch, Loss } from "./loss.ts";
import { type LossScaleOptions, nextLossScale, unlessSkipped, unscaled } from "./loss_scale.ts";
import type { Optimizer, UpdateContext } from "./optimizer.ts";
import { release, scoped } from "./ownership.ts";
import { withPrecision } from "./precision.ts";
import { trainedPart, type TrainState } from "./train_state.ts";
import { leavesOf, mapTree, type Tree, withLeaves, withPart } from "./tree.ts";

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
 * optimiser gets. Gradients, optimiser and average are of the trained parameters alone; where others are,
 * their trees have empty branches, and the next state has the frozen parameters' very tensors. With a
 * loss scale, a step whose gradients have no finite norm leaves all as it is but the scale.
 *
 * Borrows `state`; the caller owns the result's tensors, some of which may be the state's own (see
 * `release`). Throws a TypeError that names a trained parameter on which the loss does not depend.
 */
export function trainStep<P extends Tree>(
  training: Training<P>,
  state: TrainState<P>,
  grains: readonly HostBatch[],
): { readonly state: TrainState<P>; readonly metrics: DeviceMetrics } {
  const { step, lossScale, frozen } = state;
  const learningRate = training.schedule(step);
  const { values, ...parts } = scoped(() => {
    const { loss, gradients } = stepGradients(training, state, grains);
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
    state: { step: step + 1, ...parts, ...(frozen && { frozen }) },
    metrics: { learningRate, values: values as tf.Tensor1D },
  };
}

/** The key of one grain of the step that follows `step` steps, from the root of the steps' randomness. */
export function grainKey(root: RngKey, step: number, grain: number): RngKey {
  return foldIn(foldIn(root, step), grain);
}

/**
 * The mean loss of the grains, and its gradients with respect to the trained parameters: over all grains,
 * without the loss scale, before the optimiser clips them. Borrows `state`; the caller owns the result.
 */
export function stepGradients<P extends Tree>(
  { loss, key, precision = "float32" }: Training<P>,
  state: TrainState<P>,
  grains: readonly HostBatch[],
): LossAndGradients<Tree> {
  const { step, lossScale } = state;
  const passes = grains.map((grain, number) => () => {
    const pass = () => lossAndGradients(loss, state, grain, grainKey(key, step, number));
    return withPrecision(precision, pass);
  });
  const { loss: mean, gradients } = accumulate(passes);
  return { loss: mean, gradients: lossScale ? unscaled(gradients, lossScale) : gradients };
}

/**
 * What the optimiser makes of a state. Takes over the gradients: they are freed before there are new
 * parameters beside the old, since all of these are as large as the model.
 */
function updated<P extends Tree>(
  { optimizer, emaDecay = 0 }: Training<P>,
  state: TrainState<P>,
  gradients: Tree,
  context: UpdateContext,
): Pick<TrainState<P>, "params" | "optimizer" | "ema"> {
  const trained = trainedPart(state.params, state.frozen);
  const update = optimizer.update(gradients, state.optimizer, trained, context);
  release(gradients, [update.updates, update.state, trained, state.optimizer]);
  const changed = mapTree((param, change) => tf.add(param, change!), trained, update.updates);
  const params = withPart(state.params, changed);
  const ema = state.ema &&
    withPart(params, emaOf(emaDecay)(trainedPart(state.ema, state.frozen), changed));
  return { params, optimizer: update.state, ...(ema && { ema }) };
}

/** The loss of one grain, and its gradients times the loss scale where there is one. */
function lossAndGradients<P extends Tree>(
  loss: Loss<P>,
  { params, lossScale, frozen }: TrainState<P>,
  hostBatch: HostBatch,
  key: RngKey,
): LossAndGradients<Tree> {
  const batch = batchToDevice(hostBatch);
  const trained = trainedPart(params, frozen);
  const leaves = leavesOf(trained);
  const inputs = leaves.map(([, leaf]) => leaf);
  const f = () => loss(params, batch, key);
  const { value, gradients } = gradientsOf(f, inputs, lossScale?.scale);
  const found = gradients.filter((gradient) => gradient !== undefined);
  if (found.length < leaves.length) {
    const [unused] = leaves[gradients.indexOf(undefined)]!;
    throw new TypeError(
      `Expected the loss to depend on every trained parameter, found that "${unused}" is not ` +
        "used: use it, freeze it (`trainable`), or leave it out of the parameters",
    );
  }
  return { loss: value as tf.Scalar, gradients: withLeaves(trained, found) };
}
