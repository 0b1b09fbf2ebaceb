import type * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../../../core/host_tensor.ts";
import { type Attributes, type Kernel, register, type TensorSpec } from "../kernel.ts";
import { type KernelName, KERNELS } from "../registry.ts";
import type { WebGpuBackend } from "./webgpu_backend.ts";
import { webGpuKernels } from "./webgpu_kernels.ts";

/** Where kernels are run, and how wide they are made. */
export interface Gpu {
  readonly backend: WebGpuBackend;
  readonly widths: Widths;
}

/** How many invocations work together. */
export interface Widths {
  /** On one row, whose elements they share out: 1, or all of a workgroup. */
  readonly row: number;
  /** On one number, the sum of many. */
  readonly total: number;
  /** On one element of a sum of rows, which they share out. */
  readonly column: number;
  /** On products: rows of C that one invocation computes, by 8 columns, and invocations of a workgroup. */
  readonly tileRows: number;
  readonly tiles: number;
}

/** A kernel on tensors of the webgpu backend: it records what fills the results. */
export type WebGpuKernel<A extends Attributes> = (
  gpu: Gpu,
  inputs: readonly tf.TensorInfo[],
  results: readonly tf.TensorInfo[],
  attributes: A,
) => void;

/** For a processor that runs eight invocations in a vector, where each read of shared memory is dear. */
export const SOFTWARE: Widths = { row: 1, total: 8, column: 1, tileRows: 16, tiles: 8 };

/** For a GPU, that needs many invocations and shares memory among them at little cost. */
export const HARDWARE: Widths = { row: 64, total: 256, column: 16, tileRows: 4, tiles: 64 };

/**
 * Registers foldlog's kernels with tfjs's webgpu backend.
 *
 * Each adds in one order, that depends on sizes and on `widths` alone: nothing is added by atomics, nor
 * by whatever invocation comes first.
 */
export function registerWebGpuKernels(widths: Widths): void {
  for (const name of Object.keys(KERNELS) as KernelName[]) {
    backWith(widths, KERNELS[name] as Kernel, webGpuKernels[name] as WebGpuKernel<Attributes>);
  }
}

function backWith<A extends Attributes>(
  widths: Widths,
  kernel: Kernel<A>,
  compute: WebGpuKernel<A>,
): void {
  register<WebGpuBackend, A>("webgpu", kernel, (backend, inputs, specs, attributes) => {
    const results = specs.map((spec) => resultOf(backend, spec));
    if (specs.some(({ shape }) => sizeOf(shape) > 0)) {
      compute({ backend, widths }, inputs, results, attributes);
    }
    return results;
  });
}

/** A tensor to be filled. An empty one has no buffer, and has its values at once, as tfjs's own have. */
function resultOf(backend: WebGpuBackend, { shape, dtype }: TensorSpec): tf.TensorInfo {
  const result = backend.makeTensorInfo([...shape], dtype);
  if (sizeOf(shape) === 0) {
    const values = dtype === "int32" ? new Int32Array() : new Float32Array();
    backend.tensorMap.get(result.dataId).values = values;
  }
  return result;
}
