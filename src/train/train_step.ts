import * as tf from "@tensorflow/tfjs";
import { foldIn, type RngKey } from "../core/rng_key.ts";
import type { Schedule } from "../core/schedule.ts";
import { globalNorm } from "./clip.ts";
import { batchToDevice } from "./device_tensor.ts";
import { emaOf } from "./ema.ts";
import { accumulate, type LossAndGradients } from "./gradient_accumulation.ts";
import type { Optimizer } from "./optimizer.ts";
import { scoped } from "./ownership.ts";
import type { HostBatch, Loss } from "./loss.ts";
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
}

/** What a step measured. `values` stays on the device until the loop reads it. */
export interface DeviceMetrics {
  readonly learningRate: number;
  /** [2]: mean loss before the update, norm of the gradients before clipping. */
  readonly values: tf.Tensor1D;
}

/**
 * One optimiser update: the next state and what was measured on the way.
 *
 * Pure and synchronous. `grains` are the parts of the batch, of equal size, in order: each has a forward
 * and backward pass and a key of its own, and the mean of their gradients (see `accumulate`) is what the
 * optimiser gets. Gradients, optimiser and average are of the trained parameters alone; where others are,
 * their trees have empty branches, and the next state has the frozen parameters' very tensors.
 *
 * Borrows `state`; the caller owns the result's tensors, some of which may be the state's own (see
 * `release`). Throws a TypeError that names a trained parameter on which the loss does not depend.
 */
export function trainStep<P extends Tree>(
  training: Training<P>,
  state: TrainState<P>,
  grains: readonly HostBatch[],
): { readonly state: TrainState<P>; readonly metrics: DeviceMetrics } {
  const { optimizer, schedule, key } = training;
  const learningRate = schedule(state.step);
  const { frozen } = state;
  const next = scoped(() => {
    const trained = trainedPart(state.params, frozen);
    const stepKey = foldIn(key, state.step);
    const { loss, gradients } = accumulate(
      grains.map((grain, number) => () =>
        lossAndGradients(training.loss, state.params, trained, grain, foldIn(stepKey, number))
      ),
    );
    const context = { step: state.step, learningRate };
    const update = optimizer.update(gradients, state.optimizer, trained, context);
    const updated = mapTree((param, change) => tf.add(param, change!), trained, update.updates);
    const params = withPart(state.params, updated);
    const values = tf.stack([loss, globalNorm(gradients)]) as tf.Tensor1D;
    const ema = state.ema &&
      withPart(params, emaOf(training.emaDecay ?? 0)(trainedPart(state.ema, frozen), updated));
    return { params, optimizer: update.state, values, ...(ema && { ema }) };
  });
  const { values, ...trees } = next;
  const after = { step: state.step + 1, ...trees, ...(frozen && { frozen }) };
  return { state: after, metrics: { learningRate, values } };
}

/** The loss of `params`, and its gradients with respect to `trained`, which is a part of them. */
function lossAndGradients<P extends Tree>(
  loss: Loss<P>,
  params: P,
  trained: Tree,
  hostBatch: HostBatch,
  key: RngKey,
): LossAndGradients<Tree> {
  const batch = batchToDevice(hostBatch);
  const leaves = leavesOf(trained);
  const inputs = leaves.map(([, leaf]) => leaf);
  const { value, grads } = tf.engine().gradients(
    () => loss(params, batch, key),
    inputs,
    undefined,
    true,
  );
  const unused = leaves.find((_, index) => !grads[index]);
  if (unused !== undefined) {
    throw new TypeError(
      "Expected the loss to depend on every trained parameter, found that " +
        `"${unused[0]}" is not used: ` +
        "use it, freeze it (`trainable`), or leave it out of the parameters",
    );
  }
  return { loss: value as tf.Scalar, gradients: withLeaves(trained, grads) };
}
