import * as tf from "@tensorflow/tfjs";
import type { AttentionShape } from "../train/kernels/attention.ts";
import { product } from "../train/kernels/product.ts";

/**
 * Multi-head self-attention (Vaswani et al., 2017) in which each position attends to all: what
 * `causalAttention` is without a future to hide, with the same arguments and result.
 *
 * `qkv` is [batch * context, 3 * channels], `attend` is applied to the attention weights
 * [batch, heads, context, context], for dropout. Returns [batch * context, channels].
 */
export function fullAttention(
  qkv: tf.Tensor2D,
  { batch, context, heads }: AttentionShape,
  attend: (weights: tf.Tensor4D) => tf.Tensor4D = (weights) => weights,
): tf.Tensor2D {
  const [rows, tripled] = qkv.shape;
  const channels = tripled / 3;
  const width = channels / heads;
  const [queries, keys, values] = tf.split(qkv, 3, 1).map((part) =>
    tf.transpose(tf.reshape(part, [batch, context, heads, width]), [0, 2, 1, 3]) as tf.Tensor4D
  ) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
  const scores = tf.mul(product(queries, keys, { transposeB: true }), 1 / Math.sqrt(width));
  const mixed = product(attend(tf.softmax(scores as tf.Tensor4D)), values);
  return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [rows, channels]);
}
