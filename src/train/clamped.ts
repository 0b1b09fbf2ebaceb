import * as tf from "@tensorflow/tfjs";

/**
 * Each element, or the nearest number from -limit to limit; NaN stays NaN.
 *
 * Not `tf.clipByValue`: on wasm it makes the lower limit of NaN, and a training that has broken down
 * would go on as if it had not.
 */
export function clamped(x: tf.Tensor, limit: number): tf.Tensor {
  return tf.minimum(tf.maximum(x, -limit), limit);
}
