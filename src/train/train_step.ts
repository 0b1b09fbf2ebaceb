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
 * optimiser gets. Borrows `state`; the caller owns the result's tensors, some of which may be the
 * state's own (see `release`).
 */
export function trainStep<P extends Tree>(
  training: Training<P>,
  state: TrainState<P>,
  grains: readonly HostBatch[],
): { readonly state: TrainState<P>; readonly metrics: DeviceMetrics } {
  const { optimizer, schedule, key } = training;
  const learningRate = schedule(state.step);
  const next = scoped(() => {
    const stepKey = foldIn(key, state.step);
    const { loss, gradients } = accumulate(
      grains.map((grain, number) => () =>
        lossAndGradients(training.loss, state.params, grain, foldIn(stepKey, number))
      ),
    );
    const context = { step: state.step, learningRate };
    const update = optimizer.update(gradients, state.optimizer, state.params, context);
    const params = mapTree((param, change) => tf.add(param, change), state.params, update.updates);
    const values = tf.stack([loss, globalNorm(gradients)]) as tf.Tensor1D;
    const ema = state.ema && emaOf(training.emaDecay ?? 0)(state.ema, params);
    return { params, optimizer: update.state, values, ...(ema && { ema }) };
  });
  const { values, ...trees } = next;
  return { state: { step: state.step + 1, ...trees }, metrics: { learningRate, values } };
}

function lossAndGradients<P extends Tree>(
  loss: Loss<P>,
  params: P,
  hostBatch: HostBatch,
  key: RngKey,
): LossAndGradients<P> {
  const batch = batchToDevice(hostBatch);
  const leaves = leavesOf(params);
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
      `Expected the loss to depend on every parameter, found that "${unused[0]}" is not used: ` +
        "use it or leave it out of the parameters",
    );
  }
  return { loss: value as tf.Scalar, gradients: withLeaves(params, grads) };
}
