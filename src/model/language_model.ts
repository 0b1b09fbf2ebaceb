import * as tf from "@tensorflow/tfjs";
import type { RngKey } from "../core/rng_key.ts";
import { crossEntropy } from "../train/kernels/cross_entropy.ts";
import { transformerLogits, type TransformerParams, type TransformerSizes } from "./transformer.ts";

/** Tokens and the tokens that follow them, both [batch, context] int32. */
export type TokenTensors = { readonly tokens: tf.Tensor; readonly targets: tf.Tensor };

/**
 * The mean negative log-likelihood in nats of `targets` given `tokens`, both [batch, context] int32,
 * under a transformer of these sizes. Dropout is applied where a key is given.
 */
export function languageModelLoss(
  sizes: TransformerSizes,
): (params: TransformerParams, batch: TokenTensors, key?: RngKey) => tf.Scalar {
  const dropKey = (key: RngKey | undefined) => sizes.dropout > 0 ? key : undefined;
  return (params, { tokens, targets }, key) => {
    const logits = transformerLogits(params, tokens as tf.Tensor2D, sizes, dropKey(key));
    return crossEntropy(logits, tf.reshape(targets, [-1]) as tf.Tensor1D);
  };
}

/** Logits [vocabulary] of the token that follows `tokens`, at most a context long. */
export function nextTokenLogits(
  params: TransformerParams,
  tokens: readonly number[],
  sizes: TransformerSizes,
): tf.Tensor1D {
  const input = tf.tensor2d([...tokens], [1, tokens.length], "int32");
  const logits = transformerLogits(params, input, sizes);
  return tf.reshape(tf.slice(logits, [tokens.length - 1, 0], [1, sizes.vocabulary]), [-1]);
}
