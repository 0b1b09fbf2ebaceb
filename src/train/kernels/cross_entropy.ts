import * as tf from "@tensorflow/tfjs";
import { oneHot } from "./embedding.ts";
import { withGradient } from "./with_gradient.ts";

/**
 * Mean negative log-likelihood, in nats, of `targets` [rows] (int32) under softmax(`logits`
 * [rows, classes]).
 */
export function crossEntropy(logits: tf.Tensor2D, targets: tf.Tensor1D): tf.Scalar {
  const [rows, classes] = logits.shape;
  return withGradient([logits], (input) => {
    const labels = oneHot(targets, classes);
    const shifted = tf.sub(input!, tf.max(input!, 1, true));
    const exps = tf.exp(shifted);
    const sums = tf.sum(exps, 1, true);
    const right = tf.sum(tf.mul(shifted, labels), 1, true);
    return { value: tf.mean(tf.sub(tf.log(sums), right)), saved: [exps, sums, labels] };
  }, (dy, [exps, sums, labels]) => [
    tf.mul(tf.sub(tf.div(exps!, sums!), labels!), tf.div(dy, rows)),
  ]);
}
