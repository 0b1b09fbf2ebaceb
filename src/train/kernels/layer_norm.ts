import type * as tf from "@tensorflow/tfjs";
import { float32, type Kernel, run } from "./kernel.ts";
import { withGradient } from "./with_gradient.ts";

type LayerNormAttributes = { readonly epsilon: number };

/** Of x [rows, n], weight [n], bias [n]: y, and each row's mean and inverse deviation [rows]. */
export const LAYER_NORM: Kernel<LayerNormAttributes> = {
  name: "foldlog.LayerNorm",
  results: ([x]) => [x!, float32([x!.shape[0]!]), float32([x!.shape[0]!])],
};

/** Of dy, x, weight, mean and inverse deviation: the gradients of x, weight and bias. */
export const LAYER_NORM_GRADIENT: Kernel = {
  name: "foldlog.LayerNormGradient",
  results: ([_dy, x, weight]) => [x!, weight!, weight!],
};

/**
 * Layer normalisation (Ba, Kiros and Hinton, 2016) of x [rows, channels] over its channels, with
 * scale and shift of [channels]. Variance is the biased one, epsilon 1e-5, as in GPT-2.
 */
export function layerNorm(
  x: tf.Tensor2D,
  weight: tf.Tensor1D,
  bias: tf.Tensor1D,
  epsilon = 1e-5,
): tf.Tensor2D {
  return withGradient([x, weight, bias], (inputs) => {
    const [value, mean, inverse] = run(LAYER_NORM, inputs, { epsilon });
    return { value: value!, saved: [inputs[0]!, inputs[1]!, mean!, inverse!] };
  }, (dy, saved) => run(LAYER_NORM_GRADIENT, [dy, ...saved], {}));
}
