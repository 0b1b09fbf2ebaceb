import * as tf from "@tensorflow/tfjs";
import type { RngKey } from "../core/rng_key.ts";
import { causalAttention } from "../train/kernels/attention.ts";
import { embedding } from "../train/kernels/embedding.ts";
import { drawnNormal } from "./drawn.ts";
import { fullAttention } from "./full_attention.ts";
import { affine, type Dense, initNorm, type Norm, normed, withPositions } from "./layers.ts";
import { dropAt, initBlocks, throughBlocks, type TransformerBlock } from "./transformer_block.ts";

/** Sizes of a transformer that makes one output of a sequence. `channels` is a multiple of `heads`. */
export interface EncoderSizes {
  /** What is at each position: this many numbers, or one of this many tokens. */
  readonly input: { readonly features: number } | { readonly vocabulary: number };
  /** Longest sequence, in positions. */
  readonly context: number;
  /** Elsewhere `num_layers`. */
  readonly layers: number;
  /** Elsewhere `num_heads`. */
  readonly heads: number;
  /** Elsewhere `hidden_dim`. */
  readonly channels: number;
  /** Whether a position attends to those up to it, or to all. */
  readonly attention: "causal" | "full";
  /** What the head sees: the mean of all positions, or the last one. */
  readonly pooling: "mean" | "last";
  /** Numbers to be estimated, or classes. */
  readonly outputs: number;
  /** Share of activations dropped in training, after embedding, in attention, and after each block. */
  readonly dropout: number;
}

/** The blocks are GPT-2's, under its names; `input` is a dense layer of features or a table of tokens. */
export type EncoderParams = {
  readonly input: Dense | { readonly weight: tf.Tensor2D };
  readonly wpe: { readonly weight: tf.Tensor2D };
  readonly h: readonly TransformerBlock[];
  readonly ln_f: Norm;
  readonly head: Dense;
};

/**
 * Initial parameters, as `initTransformer` has them: normal with deviation 0.02, projections back into the
 * residual stream scaled by 1 / sqrt(2 layers), biases zero. A dense layer of features has deviation
 * 1 / sqrt(features), so that inputs of variance 1 keep it.
 *
 * @throws {RangeError} where `heads` does not divide `channels`
 */
export function initEncoder(sizes: EncoderSizes, key: RngKey): EncoderParams {
  const { input, context, heads, channels, outputs } = sizes;
  if (channels % heads !== 0) {
    throw new RangeError(`Expected channels to be a multiple of ${heads} heads, found ${channels}`);
  }
  const weight = (name: string, rows: number, columns: number, deviation = 0.02) =>
    drawnNormal<tf.Rank.R2>(key, name, [rows, columns], deviation);
  return {
    input: "vocabulary" in input ? { weight: weight("input", input.vocabulary, channels) } : {
      weight: weight("input", input.features, channels, 1 / Math.sqrt(input.features)),
      bias: tf.zeros([channels]),
    },
    wpe: { weight: weight("wpe", context, channels) },
    h: initBlocks(sizes, key),
    ln_f: initNorm(channels),
    head: { weight: weight("head", channels, outputs), bias: tf.zeros([outputs]) },
  };
}

/**
 * Outputs [batch, outputs] of sequences: `inputs` [batch, context, features], or tokens [batch, context]
 * (int32), whose context may be shorter than the model's. All sequences of a batch have one length.
 *
 * Learned positions, pre-norm blocks, GELU, one more normalisation, pooling, a dense head. For a loss, see
 * `regressionLoss` and `classificationLoss`. Dropout is applied where a `key` is given.
 *
 * @example
 * ```ts
 * import { encoderOutputs, type EncoderParams, type EncoderSizes, initEncoder, key } from "foldlog";
 * import { openDevice, orThrow, regressionLoss } from "foldlog";
 * import * as tf from "foldlog/tf";
 *
 * const sizes: EncoderSizes = {
 *   input: { features: 3 },
 *   context: 4,
 *   layers: 2,
 *   heads: 2,
 *   channels: 8,
 *   attention: "full",
 *   pooling: "mean",
 *   outputs: 1,
 *   dropout: 0.1,
 * };
 * await orThrow(openDevice("cpu"));
 * const params = initEncoder(sizes, key(42));
 * const loss = regressionLoss<EncoderParams>((params, inputs, key) =>
 *   encoderOutputs(params, inputs, sizes, key)
 * );
 * const value = loss(params, { inputs: tf.ones([2, 4, 3]), targets: tf.zeros([2, 1]) }, key(0));
 * if (value.rank !== 0) throw new Error("not a scalar");
 * ```
 * @throws {RangeError} for inputs of another shape
 */
export function encoderOutputs(
  params: EncoderParams,
  inputs: tf.Tensor,
  sizes: EncoderSizes,
  key?: RngKey,
): tf.Tensor2D {
  requireInputs(inputs, sizes);
  const [batch, context] = inputs.shape as [number, number];
  const shape = { batch, context, heads: sizes.heads };
  const attention = sizes.attention === "causal" ? causalAttention : fullAttention;
  const drop = dropAt(sizes.dropout, key);
  const x = withPositions(rowsOf(params, inputs), params.wpe.weight, batch, context);
  const mixed = throughBlocks(
    params.h,
    drop(x, "embedding"),
    (qkv, attend) => attention(qkv, shape, attend),
    drop,
  );
  const final = normed(mixed, params.ln_f);
  const sequences = tf.reshape<tf.Rank.R3>(final, [batch, context, sizes.channels]);
  return affine(pooled(sequences, sizes.pooling), params.head);
}

/** What is at each position, before it is placed: [batch * context, channels]. */
function rowsOf({ input }: EncoderParams, inputs: tf.Tensor): tf.Tensor2D {
  return "bias" in input
    ? affine(tf.reshape(inputs, [-1, input.weight.shape[0]]), input)
    : embedding(input.weight, tf.reshape(inputs, [-1]));
}

/** x [batch, context, channels] as one row a sequence. */
function pooled(x: tf.Tensor3D, pooling: EncoderSizes["pooling"]): tf.Tensor2D {
  const [batch, context, channels] = x.shape;
  if (pooling === "mean") return tf.mean(x, 1);
  return tf.reshape(tf.slice(x, [0, context - 1, 0], [batch, 1, channels]), [batch, channels]);
}

function requireInputs({ shape }: tf.Tensor, { input, context }: EncoderSizes): void {
  const rest = "features" in input ? [input.features] : [];
  const [, length = 0, ...found] = shape;
  if (length >= 1 && length <= context && found.join() === rest.join()) return;
  const expected = ["batch", `1 to ${context}`, ...rest].join(", ");
  throw new RangeError(`Expected inputs [${expected}], found [${shape}]`);
}
