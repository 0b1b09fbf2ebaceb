import * as tf from "@tensorflow/tfjs";
import { layerNorm } from "../train/kernels/layer_norm.ts";
import { dense } from "../train/kernels/product.ts";

/** Parameters of a dense layer: weight [in, out] and bias [out]. */
export type Dense = { readonly weight: tf.Tensor2D; readonly bias: tf.Tensor1D };

/** Parameters of a layer normalisation: scale and shift [channels]. */
export type Norm = { readonly weight: tf.Tensor1D; readonly bias: tf.Tensor1D };

/** x W + b: [rows, in] to [rows, out]. */
export function affine(x: tf.Tensor2D, { weight, bias }: Dense): tf.Tensor2D {
  return dense(x, weight, bias);
}

/** x [rows, channels], normalised over its channels. */
export function normed(x: tf.Tensor2D, { weight, bias }: Norm): tf.Tensor2D {
  return layerNorm(x, weight, bias);
}

/**
 * x [batch * context, channels] plus the positions' own rows, of a table [longest context, channels] of
 * which the first `context` are used.
 */
export function withPositions(
  x: tf.Tensor2D,
  table: tf.Tensor2D,
  batch: number,
  context: number,
): tf.Tensor2D {
  const channels = table.shape[1];
  const positions = tf.slice(table, [0, 0], [context, channels]);
  const placed = tf.add(tf.reshape(x, [batch, context, channels]), positions);
  return tf.reshape(placed, [batch * context, channels]);
}

/** The normalisation that begins as scale 1 and shift 0. */
export function initNorm(channels: number): Norm {
  return { weight: tf.ones([channels]), bias: tf.zeros([channels]) };
}
