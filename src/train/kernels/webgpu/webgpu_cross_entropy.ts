import type { Attributes } from "../kernel.ts";
import { dispatch, NAN_BITS, withTemporary } from "./dispatch.ts";
import { type Elements, elementsOf } from "./elements.ts";
import { fixedTree } from "./fixed_tree.ts";
import type { Program } from "./program.ts";
import type { WebGpuKernel } from "./register_webgpu_kernels.ts";

/** The mean loss, and the softmax. */
export const crossEntropy: WebGpuKernel<Attributes> = (
  { backend, widths },
  [logits, targets],
  [loss, softmax],
) => {
  const [rows, n] = logits!.shape as [number, number];
  const elements = elementsOf(n);
  const count = n / elements.width;
  withTemporary(backend, [rows], (losses) => {
    const tensors = { logits, targets, softmax, losses };
    const program = rowProgram(elements, widths.row);
    dispatch(backend, program, { ...tensors, count, n, nan: NAN_BITS }, rows);
    dispatch(backend, meanProgram(widths.total), { losses, loss, rows }, 1);
  });
};

/** The gradient of the logits. */
export const crossEntropyGradient: WebGpuKernel<Attributes> = (
  { backend, widths },
  [dy, softmax, targets],
  [gradient],
) => {
  const [rows, n] = softmax!.shape as [number, number];
  const elements = elementsOf(n);
  const tensors = { dy, softmax, targets, gradient };
  const program = gradientProgram(elements, widths.row);
  dispatch(backend, program, { ...tensors, rows, count: n / elements.width }, rows);
};

/** A workgroup a row: its softmax and its loss. */
function rowProgram({ type, width: step, source }: Elements, width: number): Program {
  const chosen = step === 4 ? "logits[at / 4u][at % 4u]" : "logits[at]";
  return {
    name: `foldlog.CrossEntropy ${type} ${width}`,
    reads: { logits: type, targets: "i32" },
    writes: { softmax: type, losses: "f32" },
    uniforms: { count: "u32", n: "u32", nan: "u32" },
    invocations: width,
    source: `${source}${fixedTree(width)}
fn kernel(group: u32, local: u32) {
  let start = group * u.count;
  var most = logits[start];
  for (var i = local; i < u.count; i += ${width}u) { most = max(most, logits[start + i]); }
  let top = greatest(local, highest(most));
  var sum = T(0f);
  for (var i = local; i < u.count; i += ${width}u) { sum += exp(logits[start + i] - top); }
  let whole = total(local, across(sum));
  for (var i = local; i < u.count; i += ${width}u) {
    softmax[start + i] = exp(logits[start + i] - top) / whole;
  }
  if (local == 0u) {
    var value = bitcast<f32>(u.nan); // a target that is no class
    if (targets[group] >= 0 && targets[group] < i32(u.n)) {
      let at = ${step}u * start + u32(targets[group]);
      value = ${chosen};
    }
    losses[group] = log(whole) - (value - top);
  }
}`,
  };
}

/** The mean of the losses of the rows. */
function meanProgram(width: number): Program {
  return {
    name: `foldlog.CrossEntropy.mean ${width}`,
    reads: { losses: "f32" },
    writes: { loss: "f32" },
    uniforms: { rows: "u32" },
    invocations: width,
    source: `${fixedTree(width)}
fn kernel(_group: u32, local: u32) {
  var sum = 0f;
  for (var i = local; i < u.rows; i += ${width}u) { sum += losses[i]; }
  let all = total(local, sum);
  if (local == 0u) { loss[0] = all / f32(u.rows); }
}`,
  };
}

/** A workgroup a row. */
function gradientProgram({ type, source }: Elements, width: number): Program {
  return {
    name: `foldlog.CrossEntropyGradient ${type} ${width}`,
    reads: { dy: "f32", softmax: type, targets: "i32" },
    writes: { gradient: type },
    uniforms: { rows: "u32", count: "u32" },
    invocations: width,
    source: `${source}
fn kernel(group: u32, local: u32) {
  let weight = dy[0] / f32(u.rows);
  let right = Columns(u32(targets[group])); // a negative one is no column
  for (var i = local; i < u.count; i += ${width}u) {
    let at = group * u.count + i;
    gradient[at] = (softmax[at] - select(T(0f), T(1f), columns(i) == right)) * weight;
  }
}`,
  };
}
