import type { Attributes, AttributesOf } from "../kernel.ts";
import type { LAYER_NORM } from "../layer_norm.ts";
import { columnSums, sumColumns } from "./column_sums.ts";
import { dispatch } from "./dispatch.ts";
import { type Elements, elementsOf } from "./elements.ts";
import { fixedTree } from "./fixed_tree.ts";
import type { Program } from "./program.ts";
import type { WebGpuKernel } from "./register_webgpu_kernels.ts";

/** y, and each row's mean and inverse deviation. */
export const layerNorm: WebGpuKernel<AttributesOf<typeof LAYER_NORM>> = (
  { backend, widths },
  [x, weight, bias],
  [y, mean, inverse],
  { epsilon },
) => {
  const [rows, n] = x!.shape as [number, number];
  const tensors = { x, weight, bias, y, mean, inverse };
  const elements = elementsOf(n);
  const count = n / elements.width;
  dispatch(backend, valueProgram(elements, widths.row), { ...tensors, count, n, epsilon }, rows);
};

/** The gradients of x, weight and bias. */
export const layerNormGradient: WebGpuKernel<Attributes> = (
  { backend, widths },
  [dy, x, weight, mean, inverse],
  [dx, dWeight, dBias],
) => {
  const [rows, n] = x!.shape as [number, number];
  const elements = elementsOf(n);
  const count = n / elements.width;
  const given = { dy, x, mean, inverse };
  const rowProgram = gradientProgram(elements, widths.row);
  dispatch(backend, rowProgram, { ...given, weight, dx, count, n }, rows);
  const sums = columnSums(PARAMETERS, elements, widths.column);
  sumColumns(backend, sums, { ...given, dWeight, dBias }, rows, count);
};

const PARAMETERS = {
  name: "foldlog.LayerNormGradient",
  reads: { dy: "T", x: "T", mean: "f32", inverse: "f32" },
  sums: {
    dWeight: "dy[at] * ((x[at] - mean[row]) * inverse[row])",
    dBias: "dy[at]",
  },
} as const;

/** A workgroup a row: it goes through the row for the mean, for the deviation, and for the results. */
function valueProgram({ type, source }: Elements, width: number): Program {
  return {
    name: `foldlog.LayerNorm ${type} ${width}`,
    reads: { x: type, weight: type, bias: type },
    writes: { y: type, mean: "f32", inverse: "f32" },
    uniforms: { count: "u32", n: "u32", epsilon: "f32" },
    invocations: width,
    source: `${source}${fixedTree(width)}
fn kernel(group: u32, local: u32) {
  let start = group * u.count;
  var sum = T(0f);
  for (var i = local; i < u.count; i += ${width}u) { sum += x[start + i]; }
  let average = total(local, across(sum)) / f32(u.n);
  var squares = T(0f);
  for (var i = local; i < u.count; i += ${width}u) {
    let distance = x[start + i] - average;
    squares += distance * distance;
  }
  let scale = 1f / sqrt(total(local, across(squares)) / f32(u.n) + u.epsilon);
  for (var i = local; i < u.count; i += ${width}u) {
    y[start + i] = (x[start + i] - average) * scale * weight[i] + bias[i];
  }
  if (local == 0u) {
    mean[group] = average;
    inverse[group] = scale;
  }
}`,
  };
}

/** A workgroup a row. */
function gradientProgram({ type, source }: Elements, width: number): Program {
  return {
    name: `foldlog.LayerNormGradient.x ${type} ${width}`,
    reads: { dy: type, x: type, weight: type, mean: "f32", inverse: "f32" },
    writes: { dx: type },
    uniforms: { count: "u32", n: "u32" },
    invocations: width,
    source: `${source}${fixedTree(width)}
fn kernel(group: u32, local: u32) {
  let start = group * u.count;
  let average = mean[group];
  let scale = inverse[group];
  var sum = T(0f);
  var product = T(0f);
  for (var i = local; i < u.count; i += ${width}u) {
    let scaled = dy[start + i] * weight[i];
    sum += scaled;
    product += scaled * ((x[start + i] - average) * scale);
  }
  let shift = total(local, across(sum)) / f32(u.n);
  let along = total(local, across(product)) / f32(u.n);
  for (var i = local; i < u.count; i += ${width}u) {
    let normal = (x[start + i] - average) * scale;
    dx[start + i] = scale * (dy[start + i] * weight[i] - shift - normal * along);
  }
}`,
  };
}
