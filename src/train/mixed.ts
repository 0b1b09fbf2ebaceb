import * as tf from "@tensorflow/tfjs";

/** share a + (1 - share) b: one step of a running mean. */
export function mixed(a: tf.Tensor, b: tf.Tensor, share: number): tf.Tensor {
  return tf.add(tf.mul(a, share), tf.mul(b, 1 - share));
}
