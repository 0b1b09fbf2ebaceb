import * as tf from "@tensorflow/tfjs";
import type { Predict, SupervisedTensors } from "./supervised_loss.ts";

/**
 * The share of a batch whose class a model gets right: its largest logit, the first of equal ones, is the
 * target's. Logits are [batch, classes] and targets [batch] (int32), or both with more dimensions between,
 * as `classificationLoss` takes them. A scalar from 0 to 1; it has no gradient.
 */
export function accuracy<P>(
  predict: Predict<P>,
): (params: P, batch: SupervisedTensors) => tf.Scalar {
  return (params, { inputs, targets }) => {
    const classes = tf.argMax(predict(params, inputs), -1);
    return tf.mean(tf.cast(tf.equal(classes, targets), "float32"));
  };
}
