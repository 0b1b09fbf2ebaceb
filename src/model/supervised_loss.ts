import * as tf from "@tensorflow/tfjs";
import type { RngKey } from "../core/rng_key.ts";
import { crossEntropy } from "../train/kernels/cross_entropy.ts";

/**
 * A model: outputs of `inputs`, whose first dimension is the batch: [batch, outputs], or more dimensions, the
 * last of them the outputs, such as [batch, height, width, outputs]. Drops out where a key is given.
 */
export type Predict<P> = (params: P, inputs: tf.Tensor, key?: RngKey) => tf.Tensor;

/** Inputs and what the model should make of them. */
export type SupervisedTensors = { readonly inputs: tf.Tensor; readonly targets: tf.Tensor };

/** The mean loss of a batch under a model. */
export type SupervisedLoss<P> = (params: P, batch: SupervisedTensors, key?: RngKey) => tf.Scalar;

/**
 * The mean negative log-likelihood in nats of classes `targets` [batch] (int32) under the softmax of a
 * model's logits [batch, classes]: PyTorch's `CrossEntropyLoss`. Of logits [batch, height, width, classes]
 * the targets are [batch, height, width], and the mean is over all pixels.
 *
 * @throws {RangeError} where there is not one target for each row of logits
 */
export function classificationLoss<P>(predict: Predict<P>): SupervisedLoss<P> {
  return (params, { inputs, targets }, key) => {
    const logits = predict(params, inputs, key);
    const classes = logits.shape.at(-1)!;
    requireTargets(targets, logits.shape.slice(0, -1));
    return crossEntropy(tf.reshape(logits, [-1, classes]), tf.reshape(targets, [-1]));
  };
}

/**
 * The mean squared difference of a model's outputs and `targets`, of one shape, over all elements: PyTorch's
 * `MSELoss`.
 *
 * @throws {RangeError} for targets of another shape, which would otherwise be broadcast
 */
export function regressionLoss<P>(predict: Predict<P>): SupervisedLoss<P> {
  return (params, { inputs, targets }, key) => {
    const outputs = predict(params, inputs, key);
    requireTargets(targets, outputs.shape);
    return tf.mean(tf.square(tf.sub(outputs, targets)));
  };
}

function requireTargets({ shape }: tf.Tensor, expected: readonly number[]): void {
  if (shape.join() === expected.join()) return;
  throw new RangeError(`Expected targets of shape [${expected}], found [${shape}]`);
}
