import type { Attributes } from "../kernel.ts";
import { NAN_BITS, withTemporary } from "./dispatch.ts";
import { type Elements, elementsOf } from "./elements.ts";
import type { WebGpuKernel } from "./register_webgpu_kernels.ts";
import { forEachRow, type RowProgram } from "./row_program.ts";
import { sumOf } from "./webgpu_sums.ts";

/** The mean loss, and the softmax. */
export const crossEntropy: WebGpuKernel<Attributes> = (gpu, [logits, targets], [loss, softmax]) => {
  const [rows, n] = logits!.shape as [number, number];
  const elements = elementsOf(n);
  withTemporary(gpu.backend, [rows], (losses) => {
    const tensors = { logits, targets, softmax, losses };
    const numbers = { count: n / elements.width, n, nan: NAN_BITS };
    forEachRow(gpu, valueOf(elements), elements, { ...tensors, ...numbers }, rows);
    sumOf(gpu, "part", { x: losses, sum: loss!, divisor: rows });
  });
};

/** The gradient of the logits. */
export const crossEntropyGradient: WebGpuKernel<Attributes> = (
  gpu,
  [dy, softmax, targets],
  [gradient],
) => {
  const [rows, n] = softmax!.shape as [number, number];
  const elements = elementsOf(n);
  const tensors = { dy, softmax, targets, gradient };
  forEachRow(gpu, GRADIENT, elements, { ...tensors, count: n / elements.width }, rows);
};

/** A row's softmax and its loss. */
function valueOf({ width }: Elements): RowProgram {
  const chosen = width === 4 ? "logits[at / 4u][at % 4u]" : "logits[at]";
  return {
    name: "foldlog.CrossEntropy",
    reads: { logits: "T", targets: "i32" },
    writes: { softmax: "T", losses: "f32" },
    uniforms: { count: "u32", n: "u32", nan: "u32" },
    source: `
fn each(row: u32, lane: u32) {
  let start = row * u.count;
  var most = logits[start];
  for (var i = lane; i < u.count; i += WIDTH) { most = max(most, logits[start + i]); }
  let top = greatest(lane, highest(most));
  var sum = T(0f);
  for (var i = lane; i < u.count; i += WIDTH) { sum += exp(logits[start + i] - top); }
  let whole = total(lane, across(sum));
  for (var i = lane; i < u.count; i += WIDTH) {
    softmax[start + i] = exp(logits[start + i] - top) / whole;
  }
  if (lane == 0u) {
    var value = bitcast<f32>(u.nan); // a target that is no class
    if (targets[row] >= 0 && targets[row] < i32(u.n)) {
      let at = row * u.n + u32(targets[row]);
      value = ${chosen};
    }
    losses[row] = log(whole) - (value - top);
  }
}`,
  };
}

const GRADIENT: RowProgram = {
  name: "foldlog.CrossEntropyGradient",
  reads: { dy: "f32", softmax: "T", targets: "i32" },
  writes: { gradient: "T" },
  uniforms: { count: "u32" },
  source: `
fn each(row: u32, lane: u32) {
  let weight = dy[0] / f32(u.rows);
  let right = Columns(u32(targets[row])); // a negative one is no column
  for (var i = lane; i < u.count; i += WIDTH) {
    let at = row * u.count + i;
    gradient[at] = (softmax[at] - select(T(0f), T(1f), columns(i) == right)) * weight;
  }
}`,
};
