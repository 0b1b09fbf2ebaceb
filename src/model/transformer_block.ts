import * as tf from "@tensorflow/tfjs";
import { foldIn, type RngKey } from "../core/rng_key.ts";
import { dropout } from "../train/kernels/dropout.ts";
import { gelu } from "../train/kernels/gelu.ts";
import { drawnNormal } from "./drawn.ts";
import { affine, type Dense, initNorm, type Norm, normed } from "./layers.ts";

/** A pre-norm block under the names of GPT-2's Hugging Face layout; weights are [in, out]. */
export type TransformerBlock = {
  readonly ln_1: Norm;
  readonly attn: { readonly c_attn: Dense; readonly c_proj: Dense };
  readonly ln_2: Norm;
  readonly mlp: { readonly c_fc: Dense; readonly c_proj: Dense };
};

/** Drops some of `x` in training, by a key of the place's own. */
export type DropAt = <T extends tf.Tensor>(x: T, place: string) => T;

/**
 * Mixes positions: qkv [batch * context, 3 * channels] to [batch * context, channels]. `attend` is applied
 * to the attention weights [batch, heads, context, context].
 */
export type Attention = (
  qkv: tf.Tensor2D,
  attend: (weights: tf.Tensor4D) => tf.Tensor4D,
) => tf.Tensor2D;

/** Dropout of a rate at places that each have a key under `key`; without one nothing is dropped. */
export function dropAt(rate: number, key: RngKey | undefined): DropAt {
  return (x, place) => key === undefined ? x : dropout(x, rate, foldIn(key, place));
}

/**
 * The blocks of a model as GPT-2 begins them: weights normal with deviation 0.02, projections back into
 * the residual stream scaled by 1 / sqrt(2 layers), biases zero. Block i draws under the name "h.i".
 */
export function initBlocks(
  { layers, channels }: { readonly layers: number; readonly channels: number },
  key: RngKey,
): readonly TransformerBlock[] {
  const residual = 0.02 / Math.sqrt(2 * layers);
  const linear = (name: string, inputs: number, outputs: number, deviation = 0.02): Dense => ({
    weight: drawnNormal<tf.Rank.R2>(key, name, [inputs, outputs], deviation),
    bias: tf.zeros([outputs]),
  });
  return Array.from({ length: layers }, (_, layer) => ({
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
  }));
}

/** x [batch * context, channels] after all blocks: attention, then two dense layers around a GELU, in each. */
export function throughBlocks(
  blocks: readonly TransformerBlock[],
  x: tf.Tensor2D,
  attention: Attention,
  drop: DropAt,
): tf.Tensor2D {
  return blocks.reduce<tf.Tensor2D>((input, block, layer) => {
    const qkv = affine(normed(input, block.ln_1), block.attn.c_attn);
    const mixed = attention(qkv, (weights) => drop(weights, `h.${layer}.weights`));
    const attended: tf.Tensor2D = tf.add(
      input,
      drop(affine(mixed, block.attn.c_proj), `h.${layer}.attn`),
    );
    const hidden = gelu(affine(normed(attended, block.ln_2), block.mlp.c_fc));
    return tf.add(attended, drop(affine(hidden, block.mlp.c_proj), `h.${layer}.mlp`));
  }, x);
}
