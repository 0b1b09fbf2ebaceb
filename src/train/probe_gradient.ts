import * as tf from "@tensorflow/tfjs";

/** What `probeGradient` must give: d/dx of sum((x w)^2) is 2 x w w', and x w is [7, 10]. */
export const PROBE = [54, 122] as const;

/** A gradient whose value arithmetic tells, [1, 2]: of sum((x w)^2) at x = [1, 2], w = [[1, 2], [3, 4]]. */
export function probeGradient(): tf.Tensor {
  return tf.tidy(() => {
    const weight = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    const gradient = tf.grad((x) => tf.sum(tf.square(tf.matMul(x, weight))));
    return gradient(tf.tensor2d([1, 2], [1, 2]));
  });
}
