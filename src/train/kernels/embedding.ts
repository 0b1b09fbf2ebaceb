import * as tf from "@tensorflow/tfjs";
import { transposed } from "./product.ts";
import { withGradient } from "./with_gradient.ts";

/**
 * Rows of `table` [vocabulary, channels] for `ids` [count] (int32): [count, channels].
 *
 * The gradient is a product with the one-hot matrix of the ids, which adds in a fixed order. The
 * gradient of tfjs's `gather` adds with atomics on webgpu, in no fixed order, and is missing on wasm.
 */
export function embedding(table: tf.Tensor2D, ids: tf.Tensor1D): tf.Tensor2D {
  return withGradient(
    [table],
    (rows) => ({ value: tf.gather(rows!, ids), saved: [ids] }),
    (
      dy,
      [used],
    ) => [tf.matMul(transposed(oneHot(used as tf.Tensor1D, table.shape[0])), dy as tf.Tensor2D)],
  );
}

/** [count, depth] in float32 with a one at each id. */
export function oneHot(ids: tf.Tensor1D, depth: number): tf.Tensor2D {
  return tf.cast(tf.oneHot(ids, depth), "float32") as tf.Tensor2D;
}
