import type * as tf from "@tensorflow/tfjs";
import type { AttentionShape } from "../attention.ts";
import { withTemporary } from "./dispatch.ts";
import { elementsOf } from "./elements.ts";
import type { WebGpuKernel } from "./register_webgpu_kernels.ts";
import { forEachRow, type RowProgram } from "./row_program.ts";
import { multiply, type Side } from "./strided_product.ts";

/** softmax(Q K' / sqrt(width)) over the positions up to each: the scores, and then their softmax in place. */
export const attentionWeights: WebGpuKernel<AttentionShape> = (gpu, [qkv], [weights], shape) => {
  const { queries, keys, squares, sizes, width } = layoutOf(qkv!, shape);
  const { context } = shape;
  multiply(gpu, {
    ...sizes,
    a: queries(qkv!),
    b: { ...keys(qkv!), transposed: true },
    c: squares(weights!),
    columns: context,
    inner: width,
    part: "lower result",
  });
  const elements = elementsOf(context);
  const numbers = { context, count: context / elements.width, factor: 1 / Math.sqrt(width) };
  forEachRow(gpu, SOFTMAX, elements, { weights, ...numbers }, rowsOf(shape));
};

/** The gradient of queries and keys: that of the scores, times keys and queries. That of the values is 0. */
export const attentionWeightsGradient: WebGpuKernel<AttentionShape> = (
  gpu,
  [dWeights, weights, qkv],
  [dQkv],
  shape,
) => {
  const { queries, keys, squares, sizes, width } = layoutOf(qkv!, shape);
  const { context, heads } = shape;
  withTemporary(gpu.backend, weights!.shape, (scores) => {
    const elements = elementsOf(context);
    const tensors = { dWeights, weights, scores, dQkv };
    const numbers = { context, count: context / elements.width, factor: 1 / Math.sqrt(width) };
    const bindings = { ...tensors, ...numbers, heads, width };
    forEachRow(gpu, SOFTMAX_GRADIENT, elements, bindings, rowsOf(shape));
    const common = { ...sizes, columns: width, inner: context };
    const left = squares(scores);
    multiply(gpu, { ...common, a: left, b: keys(qkv!), c: queries(dQkv!), part: "lower left" });
    const across = { ...left, transposed: true };
    multiply(gpu, { ...common, a: across, b: queries(qkv!), c: keys(dQkv!), part: "upper left" });
  });
};

/** The values mixed by the weights. */
export const mixValues: WebGpuKernel<AttentionShape> = (gpu, [weights, qkv], [mixed], shape) => {
  const { values, squares, outputs, sizes, width } = layoutOf(qkv!, shape);
  multiply(gpu, {
    ...sizes,
    a: squares(weights!),
    b: values(qkv!),
    c: outputs(mixed!),
    columns: width,
    inner: shape.context,
    part: "lower left",
  });
};

/** The gradients of the weights and of the values; those of queries and keys are 0. */
export const mixValuesGradient: WebGpuKernel<AttentionShape> = (
  gpu,
  [dMixed, weights, qkv],
  [dWeights, dQkv],
  shape,
) => {
  const { values, squares, outputs, sizes, width } = layoutOf(qkv!, shape);
  const { context, batch } = shape;
  multiply(gpu, {
    ...sizes,
    a: outputs(dMixed!),
    b: { ...values(qkv!), transposed: true },
    c: squares(dWeights!),
    columns: context,
    inner: width,
    part: "lower result",
  });
  multiply(gpu, {
    ...sizes,
    a: { ...squares(weights!), transposed: true },
    b: outputs(dMixed!),
    c: values(dQkv!),
    columns: width,
    inner: context,
    part: "upper left",
  });
  const channels = width * shape.heads;
  const elements = elementsOf(channels);
  const [count, line] = [2 * channels / elements.width, 3 * channels / elements.width];
  forEachRow(gpu, ZERO, elements, { dQkv, count, line }, batch * context);
};

/** Where queries, keys, values, weights and results lie, of each head of each sequence. */
function layoutOf(qkv: tf.TensorInfo, { batch, context, heads }: AttentionShape) {
  const row = qkv.shape[1]!;
  const channels = row / 3;
  const width = channels / heads;
  const third = (which: number) => (tensor: tf.TensorInfo): Side => {
    return { tensor, start: which * channels, item: context * row, head: width, row };
  };
  return {
    queries: third(0),
    keys: third(1),
    values: third(2),
    squares: (tensor: tf.TensorInfo): Side => {
      const head = context * context;
      return { tensor, item: heads * head, head, row: context };
    },
    outputs: (tensor: tf.TensorInfo): Side => {
      return { tensor, item: context * channels, head: width, row: channels };
    },
    sizes: { items: batch, heads, rows: context },
    width,
  };
}

/** Rows of the attention weights. */
function rowsOf({ batch, heads, context }: AttentionShape): number {
  return batch * heads * context;
}

/** A row of scores, which become their softmax; beyond the diagonal they are 0. */
const SOFTMAX: RowProgram = {
  name: "foldlog.AttentionWeights",
  reads: {},
  writes: { weights: "T" },
  uniforms: { context: "u32", count: "u32", factor: "f32" },
  source: `
const LOWEST = -3.4028234e38f;
fn seen(i: u32, position: u32) -> Mask { return columns(i) <= Columns(position); }
fn each(row: u32, lane: u32) {
  let position = row % u.context;
  let start = row * u.count;
  var most = T(LOWEST);
  for (var i = lane; i < u.count; i += WIDTH) {
    most = max(most, select(T(LOWEST), weights[start + i] * u.factor, seen(i, position)));
  }
  let top = greatest(lane, highest(most));
  var sum = T(0f);
  for (var i = lane; i < u.count; i += WIDTH) {
    let share = exp(weights[start + i] * u.factor - top);
    sum += select(T(0f), share, seen(i, position));
  }
  let whole = total(lane, across(sum));
  for (var i = lane; i < u.count; i += WIDTH) {
    let share = exp(weights[start + i] * u.factor - top) / whole;
    weights[start + i] = select(T(0f), share, seen(i, position));
  }
}`,
};

/** The gradient of a row of scores, and 0 for that of as many values. */
const SOFTMAX_GRADIENT: RowProgram = {
  name: "foldlog.AttentionWeightsGradient",
  reads: { dWeights: "T", weights: "T" },
  writes: { scores: "T", dQkv: "f32" },
  uniforms: { context: "u32", count: "u32", factor: "f32", heads: "u32", width: "u32" },
  source: `
fn each(row: u32, lane: u32) {
  let position = row % u.context;
  let start = row * u.count;
  var sum = T(0f);
  for (var i = lane; i < u.count; i += WIDTH) {
    let seen = columns(i) <= Columns(position);
    sum += select(T(0f), dWeights[start + i] * weights[start + i], seen);
  }
  let along = total(lane, across(sum));
  for (var i = lane; i < u.count; i += WIDTH) {
    let seen = columns(i) <= Columns(position);
    let slope = weights[start + i] * (dWeights[start + i] - along) * u.factor;
    scores[start + i] = select(T(0f), slope, seen);
  }
  let token = row / (u.context * u.heads) * u.context + position;
  let head = row / u.context % u.heads;
  let values = ((token * 3u + 2u) * u.heads + head) * u.width;
  for (var i = lane; i < u.width; i += WIDTH) { dQkv[values + i] = 0f; }
}`,
};

/** The first columns of a row of qkv become 0. */
const ZERO: RowProgram = {
  name: "foldlog.MixValuesGradient.zero",
  reads: {},
  writes: { dQkv: "T" },
  uniforms: { count: "u32", line: "u32" },
  source: `
fn each(row: u32, lane: u32) {
  for (var i = lane; i < u.count; i += WIDTH) { dQkv[row * u.line + i] = T(0f); }
}`,
};
