import type * as tf from "@tensorflow/tfjs";
import { float32, type Kernel, run } from "./kernel.ts";
import { withGradient } from "./with_gradient.ts";

/**
 * Of logits [rows, classes] and int32 targets [rows]: the mean loss [], and the softmax. A target that is
 * no class makes the loss NaN.
 */
export const CROSS_ENTROPY: Kernel = {
  name: "foldlog.CrossEntropy",
  takes: ["float32", "int32"],
  results: ([logits]) => [float32([]), logits!],
};

/** Of dy [], softmax and targets: the gradient of the logits. */
export const CROSS_ENTROPY_GRADIENT: Kernel = {
  name: "foldlog.CrossEntropyGradient",
  takes: ["float32", "float32", "int32"],
  results: ([_dy, softmax]) => [softmax!],
};

/**
 * Mean negative log-likelihood, in nats, of `targets` [rows] (int32, from 0 up to `classes`) under
 * softmax(`logits` [rows, classes]).
 */
export function crossEntropy(logits: tf.Tensor2D, targets: tf.Tensor1D): tf.Scalar {
  return withGradient([logits], ([input]) => {
    const [value, softmax] = run(CROSS_ENTROPY, [input!, targets], {});
    return { value: value!, saved: [softmax!, targets] };
  }, (dy, [softmax, labels]) => run(CROSS_ENTROPY_GRADIENT, [dy, softmax!, labels!], {}));
}
