import * as tf from "@tensorflow/tfjs";
import { foldIn, normal, type RngKey } from "../core/rng_key.ts";
import { causalAttention } from "../train/kernels/attention.ts";
import { dropout } from "../train/kernels/dropout.ts";
import { embedding } from "../train/kernels/embedding.ts";
import { gelu } from "../train/kernels/gelu.ts";
import { layerNorm } from "../train/kernels/layer_norm.ts";
import { dense, product } from "../train/kernels/product.ts";

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

type Dense = { readonly weight: tf.Tensor2D; readonly bias: tf.Tensor1D };
type Norm = { readonly weight: tf.Tensor1D; readonly bias: tf.Tensor1D };
type Block = {
  readonly ln_1: Norm;
  readonly attn: { readonly c_attn: Dense; readonly c_proj: Dense };
  readonly ln_2: Norm;
  readonly mlp: { readonly c_fc: Dense; readonly c_proj: Dense };
};

/** GPT-2's parameters (Radford et al., 2019) under the names of its Hugging Face layout; weights are [in, out]. */
export type TransformerParams = {
  readonly wte: { readonly weight: tf.Tensor2D };
  readonly wpe: { readonly weight: tf.Tensor2D };
  readonly h: readonly Block[];
  readonly ln_f: Norm;
};

/**
 * Initial parameters, as GPT-2 has them: normal with deviation 0.02, projections back into the
 * residual stream scaled by 1 / sqrt(2 layers), biases zero. Drawn on the host from `key`, so equal
 * on every backend.
 */
export function initTransformer(sizes: TransformerSizes, key: RngKey): TransformerParams {
  const { vocabulary, context, layers, channels } = sizes;
  const residual = 0.02 / Math.sqrt(2 * layers);
  const weight = (name: string, inputs: number, outputs: number, deviation = 0.02) =>
    tf.tensor2d(
      normal(foldIn(key, name), inputs * outputs).map((x) => x * deviation),
      [inputs, outputs],
    );
  const linear = (name: string, inputs: number, outputs: number, deviation?: number): Dense => ({
    weight: weight(name, inputs, outputs, deviation),
    bias: tf.zeros([outputs]),
  });
  const block = (_: unknown, layer: number): Block => ({
    ln_1: initNorm(channels),
    attn: {
      c_attn: linear(`h.${layer}.attn.c_attn`, channels, 3 * channels),
      c_proj: linear(`h.${layer}.attn.c_proj`, channels, channels, residual),
    },
    ln_2: initNorm(channels),
    mlp: {
      c_fc: linear(`h.${layer}.mlp.c_fc`, channels, 4 * channels),
      c_proj: linear(`h.${layer}.mlp.c_proj`, 4 * channels, channels, residual),
    },
  });
  return {
    wte: { weight: weight("wte", vocabulary, channels) },
    wpe: { weight: weight("wpe", context, channels) },
    h: Array.from({ length: layers }, block),
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
  const drop = <T extends tf.Tensor>(x: T, place: string): T =>
    key === undefined ? x : dropout(x, sizes.dropout, foldIn(key, place));
  let x = drop(embed(params, tokens), "embedding");
  params.h.forEach((block, layer) => {
    const qkv = affine(layerNormOf(x, block.ln_1), block.attn.c_attn);
    const mixed = causalAttention(qkv, shape, (weights) => drop(weights, `h.${layer}.weights`));
    x = tf.add(x, drop(affine(mixed, block.attn.c_proj), `h.${layer}.attn`));
    const hidden = gelu(affine(layerNormOf(x, block.ln_2), block.mlp.c_fc));
    x = tf.add(x, drop(affine(hidden, block.mlp.c_proj), `h.${layer}.mlp`));
  });
  return product(layerNormOf(x, params.ln_f), params.wte.weight, { transposeB: true });
}

/** Token plus position embedding: [batch * context, channels]. */
function embed(params: TransformerParams, tokens: tf.Tensor2D): tf.Tensor2D {
  const [batch, context] = tokens.shape;
  const channels = params.wte.weight.shape[1];
  const rows = embedding(params.wte.weight, tf.reshape(tokens, [batch * context]));
  const positions = tf.slice(params.wpe.weight, [0, 0], [context, channels]);
  const placed = tf.add(tf.reshape(rows, [batch, context, channels]), positions);
  return tf.reshape(placed, [batch * context, channels]);
}

function affine(x: tf.Tensor2D, { weight, bias }: Dense): tf.Tensor2D {
  return dense(x, weight, bias);
}

function layerNormOf(x: tf.Tensor2D, { weight, bias }: Norm): tf.Tensor2D {
  return layerNorm(x, weight, bias);
}

function initNorm(channels: number): Norm {
  return { weight: tf.ones([channels]), bias: tf.zeros([channels]) };
}
