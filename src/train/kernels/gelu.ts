import type * as tf from "@tensorflow/tfjs";
import { type Kernel, run } from "./kernel.ts";
import { withGradient } from "./with_gradient.ts";

/** Of x: x sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3). */
export const GELU: Kernel = { name: "foldlog.Gelu", results: ([x]) => [x!] };

/** Of dy and x: dy times the derivative at x. */
export const GELU_GRADIENT: Kernel = { name: "foldlog.GeluGradient", results: ([dy]) => [dy!] };

/**
 * Gaussian error linear unit, tanh form (Hendrycks and Gimpel, 2016), as GPT-2 uses it. Any shape.
 *
 * (1 + tanh(u)) / 2 is computed as sigmoid(2u).
 */
export function gelu<T extends tf.Tensor>(x: T): T {
  return withGradient(
    [x],
    ([input]) => ({ value: run(GELU, [input!], {})[0]!, saved: [input!] }),
    (dy, [input]) => run(GELU_GRADIENT, [dy, input!], {}),
  );
}
