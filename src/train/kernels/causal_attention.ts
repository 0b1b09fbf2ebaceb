import * as tf from "@tensorflow/tfjs";
import { product, transposed } from "./product.ts";

/** Sizes of a batch of sequences in attention. */
export interface AttentionShape {
  readonly batch: number;
  readonly context: number;
  readonly heads: number;
}

/**
 * Multi-head causal self-attention (Vaswani et al., 2017): position t attends to positions up to t.
 *
 * `qkv` is [batch * context, 3 * channels]: queries, keys and values side by side, heads side by
 * side within each. `attend` is applied to the attention weights [batch, heads, context, context],
 * for dropout. Returns [batch * context, channels].
 */
export function causalAttention(
  qkv: tf.Tensor2D,
  { batch, context, heads }: AttentionShape,
  attend: (weights: tf.Tensor4D) => tf.Tensor4D = (weights) => weights,
): tf.Tensor2D {
  const channels = qkv.shape[1] / 3;
  const width = channels / heads;
  const [query, key, value] = tf.split(qkv, 3, 1).map((part) =>
    tf.transpose(tf.reshape(part, [batch, context, heads, width]), [0, 2, 1, 3]) as tf.Tensor4D
  ) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
  const scores = tf.mul(product(query, transposed(key)), 1 / Math.sqrt(width));
  const weights = attend(tf.softmax(tf.add(scores, futureMask(context))) as tf.Tensor4D);
  const mixed = tf.transpose(product(weights, value), [0, 2, 1, 3]);
  return tf.reshape(mixed, [batch * context, channels]);
}

/** [context, context]: 0 where position `row` may see position `column`, a large negative number elsewhere. */
function futureMask(context: number): tf.Tensor2D {
  const mask = new Float32Array(context * context);
  for (let row = 0; row < context; row++) {
    mask.fill(-1e9, row * context + row + 1, (row + 1) * context);
  }
  return tf.tensor2d(mask, [context, context]);
}
