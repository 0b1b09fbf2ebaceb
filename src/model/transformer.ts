import * as tf from "@tensorflow/tfjs";
import type { RngKey } from "../core/rng_key.ts";
import { causalAttention } from "../train/kernels/attention.ts";
import { embedding } from "../train/kernels/embedding.ts";
import { product } from "../train/kernels/product.ts";
import { drawnNormal } from "./drawn.ts";
import { initNorm, type Norm, normed, withPositions } from "./layers.ts";
import { dropAt, initBlocks, throughBlocks, type TransformerBlock } from "./transformer_block.ts";

/** Sizes of a transformer. `channels` is a multiple of `heads`. */
export interface TransformerSizes {
  readonly vocabulary: number;
  /** Longest sequence, in tokens. */
  readonly context: number;
  readonly layers: number;
  readonly heads: number;
  readonly channels: number;
  /** Share of activations dropped in training, after embeddings, in attention, and after each block. */
  readonly dropout: number;
}

/** GPT-2's parameters (Radford et al., 2019) under the names of its Hugging Face layout; weights are [in, out]. */
export type TransformerParams = {
  readonly wte: { readonly weight: tf.Tensor2D };
  readonly wpe: { readonly weight: tf.Tensor2D };
  readonly h: readonly TransformerBlock[];
  readonly ln_f: Norm;
};

/**
 * Initial parameters, as GPT-2 has them: normal with deviation 0.02, projections back into the
 * residual stream scaled by 1 / sqrt(2 layers), biases zero. Drawn on the host from `key`, so equal
 * on every backend.
 */
export function initTransformer(sizes: TransformerSizes, key: RngKey): TransformerParams {
  const { vocabulary, context, channels } = sizes;
  const table = (name: string, rows: number) => ({
    weight: drawnNormal<tf.Rank.R2>(key, name, [rows, channels], 0.02),
  });
  return {
    wte: table("wte", vocabulary),
    wpe: table("wpe", context),
    h: initBlocks(sizes, key),
    ln_f: initNorm(channels),
  };
}

/**
 * Logits [batch * context, vocabulary] of the next token at each position of `tokens`
 * [batch, context] (int32), whose context may be shorter than the model's.
 *
 * Pre-norm blocks, causal attention, GELU, head tied to the embedding. Dropout is applied where a
 * `key` is given; without one the model is deterministic in its arguments.
 */
export function transformerLogits(
  params: TransformerParams,
  tokens: tf.Tensor2D,
  sizes: TransformerSizes,
  key?: RngKey,
): tf.Tensor2D {
  const [batch, context] = tokens.shape;
  const shape = { batch, context, heads: sizes.heads };
  const drop = dropAt(sizes.dropout, key);
  const x = throughBlocks(
    params.h,
    drop(embed(params, tokens), "embedding"),
    (qkv, attend) => causalAttention(qkv, shape, attend),
    drop,
  );
  return product(normed(x, params.ln_f), params.wte.weight, { transposeB: true });
}

/** Token plus position embedding: [batch * context, channels]. */
function embed({ wte, wpe }: TransformerParams, tokens: tf.Tensor2D): tf.Tensor2D {
  const [batch, context] = tokens.shape;
  const rows = embedding(wte.weight, tf.reshape(tokens, [batch * context]));
  return withPositions(rows, wpe.weight, batch, context);
}
