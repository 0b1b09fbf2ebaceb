import type * as tf from "@tensorflow/tfjs";
import type { AttentionShape } from "../attention.ts";
import { dispatch, withTemporary } from "./dispatch.ts";
import { type Elements, elementsOf } from "./elements.ts";
import { fixedTree } from "./fixed_tree.ts";
import type { Program } from "./program.ts";
import type { WebGpuKernel } from "./register_webgpu_kernels.ts";
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
  const program = softmaxProgram(elements, gpu.widths.row);
  dispatch(gpu.backend, program, { weights, ...numbers }, rowsOf(shape));
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
    const program = softmaxGradientProgram(elements, gpu.widths.row);
    dispatch(gpu.backend, program, { ...tensors, ...numbers, heads, width }, rowsOf(shape));
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
  const columns = 2 * width * shape.heads;
  const program = zeroProgram(gpu.widths.row);
  dispatch(gpu.backend, program, { dQkv, columns, row: columns / 2 * 3 }, batch * context);
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

/** A workgroup a row of scores, which become their softmax; beyond the diagonal they are 0. */
function softmaxProgram({ type, source }: Elements, width: number): Program {
  return {
    name: `foldlog.AttentionWeights ${type} ${width}`,
    reads: {},
    writes: { weights: type },
    uniforms: { context: "u32", count: "u32", factor: "f32" },
    invocations: width,
    source: `${source}${fixedTree(width)}
const LOWEST = -3.4028234e38f;
fn seen(i: u32, position: u32) -> Mask { return columns(i) <= Columns(position); }
fn kernel(group: u32, local: u32) {
  let position = group % u.context;
  let start = group * u.count;
  var most = T(LOWEST);
  for (var i = local; i < u.count; i += ${width}u) {
    most = max(most, select(T(LOWEST), weights[start + i] * u.factor, seen(i, position)));
  }
  let top = greatest(local, highest(most));
  var sum = T(0f);
  for (var i = local; i < u.count; i += ${width}u) {
    let share = exp(weights[start + i] * u.factor - top);
    sum += select(T(0f), share, seen(i, position));
  }
  let whole = total(local, across(sum));
  for (var i = local; i < u.count; i += ${width}u) {
    let share = exp(weights[start + i] * u.factor - top) / whole;
    weights[start + i] = select(T(0f), share, seen(i, position));
  }
}`,
  };
}

/** A workgroup a row: the gradient of its scores, and 0 for as many of the values. */
function softmaxGradientProgram({ type, source }: Elements, width: number): Program {
  return {
    name: `foldlog.AttentionWeightsGradient ${type} ${width}`,
    reads: { dWeights: type, weights: type },
    writes: { scores: type, dQkv: "f32" },
    uniforms: { context: "u32", count: "u32", factor: "f32", heads: "u32", width: "u32" },
    invocations: width,
    source: `${source}${fixedTree(width)}
fn kernel(group: u32, local: u32) {
  let position = group % u.context;
  let start = group * u.count;
  var sum = T(0f);
  for (var i = local; i < u.count; i += ${width}u) {
    let seen = columns(i) <= Columns(position);
    sum += select(T(0f), dWeights[start + i] * weights[start + i], seen);
  }
  let along = total(local, across(sum));
  for (var i = local; i < u.count; i += ${width}u) {
    let seen = columns(i) <= Columns(position);
    let slope = weights[start + i] * (dWeights[start + i] - along) * u.factor;
    scores[start + i] = select(T(0f), slope, seen);
  }
  let head = group / u.context % u.heads;
  let row = group / (u.context * u.heads) * u.context + position;
  let values = (row * 3u + 2u) * u.heads * u.width + head * u.width;
  for (var i = local; i < u.width; i += ${width}u) { dQkv[values + i] = 0f; }
}`,
  };
}

/** A workgroup a row: its first columns become 0. */
function zeroProgram(width: number): Program {
  return {
    name: `foldlog.MixValuesGradient.zero ${width}`,
    reads: {},
    writes: { dQkv: "f32" },
    uniforms: { columns: "u32", row: "u32" },
    invocations: width,
    source: `
fn kernel(group: u32, local: u32) {
  for (var i = local; i < u.columns; i += ${width}u) { dQkv[group * u.row + i] = 0f; }
}`,
  };
}
