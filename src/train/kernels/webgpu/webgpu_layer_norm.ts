import type { Attributes, AttributesOf } from "../kernel.ts";
import type { LAYER_NORM } from "../layer_norm.ts";
import { columnSums, sumColumns } from "./column_sums.ts";
import { elementsOf } from "./elements.ts";
import type { WebGpuKernel } from "./register_webgpu_kernels.ts";
import { forEachRow, type RowProgram } from "./row_program.ts";

/** y, and each row's mean and inverse deviation. */
export const layerNorm: WebGpuKernel<AttributesOf<typeof LAYER_NORM>> = (
  gpu,
  [x, weight, bias],
  [y, mean, inverse],
  { epsilon },
) => {
  const [rows, n] = x!.shape as [number, number];
  const elements = elementsOf(n);
  const numbers = { count: n / elements.width, n, epsilon };
  forEachRow(gpu, VALUE, elements, { x, weight, bias, y, mean, inverse, ...numbers }, rows);
};

/** The gradients of x, weight and bias. */
export const layerNormGradient: WebGpuKernel<Attributes> = (
  gpu,
  [dy, x, weight, mean, inverse],
  [dx, dWeight, dBias],
) => {
  const [rows, n] = x!.shape as [number, number];
  const elements = elementsOf(n);
  const count = n / elements.width;
  const given = { dy, x, mean, inverse };
  forEachRow(gpu, GRADIENT, elements, { ...given, weight, dx, count, n }, rows);
  const sums = columnSums(PARAMETERS, elements, gpu.widths.column);
  sumColumns(gpu.backend, sums, { ...given, dWeight, dBias }, rows, count);
};

/** It goes through a row for the mean, for the deviation, and for the results. */
const VALUE: RowProgram = {
  name: "foldlog.LayerNorm",
  reads: { x: "T", weight: "T", bias: "T" },
  writes: { y: "T", mean: "f32", inverse: "f32" },
  uniforms: { count: "u32", n: "u32", epsilon: "f32" },
  source: `
fn each(row: u32, lane: u32) {
  let start = row * u.count;
  var sum = T(0f);
  for (var i = lane; i < u.count; i += WIDTH) { sum += x[start + i]; }
  let average = total(lane, across(sum)) / f32(u.n);
  var squares = T(0f);
  for (var i = lane; i < u.count; i += WIDTH) {
    let distance = x[start + i] - average;
    squares += distance * distance;
  }
  let scale = 1f / sqrt(total(lane, across(squares)) / f32(u.n) + u.epsilon);
  for (var i = lane; i < u.count; i += WIDTH) {
    y[start + i] = (x[start + i] - average) * scale * weight[i] + bias[i];
  }
  if (lane == 0u) {
    mean[row] = average;
    inverse[row] = scale;
  }
}`,
};

/** The gradient of x. */
const GRADIENT: RowProgram = {
  name: "foldlog.LayerNormGradient",
  reads: { dy: "T", x: "T", weight: "T", mean: "f32", inverse: "f32" },
  writes: { dx: "T" },
  uniforms: { count: "u32", n: "u32" },
  source: `
fn each(row: u32, lane: u32) {
  let start = row * u.count;
  let average = mean[row];
  let scale = inverse[row];
  var sum = T(0f);
  var product = T(0f);
  for (var i = lane; i < u.count; i += WIDTH) {
    let scaled = dy[start + i] * weight[i];
    sum += scaled;
    product += scaled * ((x[start + i] - average) * scale);
  }
  let shift = total(lane, across(sum)) / f32(u.n);
  let along = total(lane, across(product)) / f32(u.n);
  for (var i = lane; i < u.count; i += WIDTH) {
    let normal = (x[start + i] - average) * scale;
    dx[start + i] = scale * (dy[start + i] * weight[i] - shift - normal * along);
  }
}`,
};

/** The gradients of weight and bias. */
const PARAMETERS = {
  name: "foldlog.LayerNormGradient",
  reads: { dy: "T", x: "T", mean: "f32", inverse: "f32" },
  sums: {
    dWeight: "dy[at] * ((x[at] - mean[row]) * inverse[row])",
    dBias: "dy[at]",
  },
} as const;
