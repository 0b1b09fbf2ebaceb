import type * as tf from "@tensorflow/tfjs";
import { float32, type Kernel, run } from "./kernel.ts";
import { roundedGradient, roundedOperand } from "./rounding.ts";
import { withGradient } from "./with_gradient.ts";

/** Sizes of a batch of sequences in attention. */
export type AttentionShape = {
  readonly batch: number;
  readonly context: number;
  readonly heads: number;
};

/** Of qkv: softmax(Q K' / sqrt(width)) over the positions up to each, 0 elsewhere. */
export const ATTENTION_WEIGHTS: Kernel<AttentionShape> = {
  name: "foldlog.AttentionWeights",
  results: (_, shape) => [float32(weightsShape(shape))],
};

/** Of the gradient of the weights, the weights and qkv: the gradient of qkv, 0 for the values. */
export const ATTENTION_WEIGHTS_GRADIENT: Kernel<AttentionShape> = {
  name: "foldlog.AttentionWeightsGradient",
  results: ([_dy, _weights, qkv]) => [qkv!],
};

/** Of weights and qkv: the values mixed by the weights, [batch * context, channels]. */
export const MIX_VALUES: Kernel<AttentionShape> = {
  name: "foldlog.MixValues",
  results: ([_weights, qkv]) => [float32([qkv!.shape[0]!, qkv!.shape[1]! / 3])],
};

/** Of dy, weights and qkv: the gradients of the weights, 0 above the diagonals, and of qkv's values. */
export const MIX_VALUES_GRADIENT: Kernel<AttentionShape> = {
  name: "foldlog.MixValuesGradient",
  results: ([_dy, weights, qkv]) => [weights!, qkv!],
};

/**
 * Multi-head causal self-attention (Vaswani et al., 2017): position t attends to positions up to t.
 *
 * `qkv` is [batch * context, 3 * channels]: queries, keys and values side by side, heads side by
 * side within each. `attend` is applied to the attention weights [batch, heads, context, context],
 * for dropout, and must leave zeros where they are. Returns [batch * context, channels].
 *
 * In mixed precision (`withPrecision`) queries, keys, values and the gradient that comes in are rounded
 * to half precision, once; weights and their gradients stay float32, and so do all sums.
 */
export function causalAttention(
  qkv: tf.Tensor2D,
  shape: AttentionShape,
  attend: (weights: tf.Tensor4D) => tf.Tensor4D = (weights) => weights,
): tf.Tensor2D {
  const rounded = roundedOperand(qkv);
  return roundedGradient(mixValues(attend(attentionWeights(rounded, shape)), rounded, shape));
}

function attentionWeights(qkv: tf.Tensor2D, shape: AttentionShape): tf.Tensor4D {
  return withGradient([qkv], ([input]) => {
    const [weights] = run(ATTENTION_WEIGHTS, [input!], shape);
    return { value: weights!, saved: [weights!, input!] };
  }, (dy, saved) => run(ATTENTION_WEIGHTS_GRADIENT, [dy, ...saved], shape));
}

function mixValues(weights: tf.Tensor4D, qkv: tf.Tensor2D, shape: AttentionShape): tf.Tensor2D {
  return withGradient(
    [weights, qkv],
    (inputs) => ({ value: run(MIX_VALUES, inputs, shape)[0]!, saved: inputs }),
    (dy, saved) => run(MIX_VALUES_GRADIENT, [dy, ...saved], shape),
  );
}

function weightsShape({ batch, context, heads }: AttentionShape): readonly number[] {
  return [batch, heads, context, context];
}
