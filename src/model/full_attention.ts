import * as tf from "@tensorflow/tfjs";
import type { AttentionShape } from "../train/kernels/attention.ts";
import { product, type Sides } from "../train/kernels/product.ts";
import { roundedGradient, roundedOperand } from "../train/kernels/rounding.ts";
import { withPrecision } from "../train/precision.ts";

/**
 * Multi-head self-attention (Vaswani et al., 2017) in which each position attends to all: what
 * `causalAttention` is without a future to hide, with the same arguments and result, in mixed precision
 * too.
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
  const [queries, keys, values] = tf.split(roundedOperand(qkv), 3, 1).map((part) =>
    tf.transpose(tf.reshape(part, [batch, context, heads, width]), [0, 2, 1, 3]) as tf.Tensor4D
  ) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
  const scores = exact(queries, keys, { transposeB: true });
  const weights = tf.softmax(tf.mul(scores, 1 / Math.sqrt(width)) as tf.Tensor4D);
  const mixed = roundedGradient(exact(attend(weights), values));
  return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [rows, channels]);
}

/** A product whose sides are taken as they are: rounded before, or to stay float32. */
function exact(a: tf.Tensor4D, b: tf.Tensor4D, sides: Partial<Sides> = {}): tf.Tensor4D {
  return withPrecision("float32", () => product(a, b, sides));
}
