import type * as tf from "@tensorflow/tfjs";
import { float32, type Kernel, run } from "./kernel.ts";

/** Of x of any shape: the sum of the squares of its elements, []. */
export const SUM_SQUARES: Kernel = { name: "foldlog.SumSquares", results: () => [float32([])] };

/** The sum of the squares of all elements. It has no gradient. */
export function sumSquares(x: tf.Tensor): tf.Scalar {
  return run(SUM_SQUARES, [x], {})[0] as tf.Scalar;
}
