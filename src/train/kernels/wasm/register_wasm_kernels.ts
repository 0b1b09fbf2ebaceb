import * as tf from "@tensorflow/tfjs";
import { type Attributes, type Kernel, register, type TensorSpec } from "../kernel.ts";
import { type KernelName, KERNELS } from "../registry.ts";
import { guardMemory } from "./guarded_memory.ts";
import { instantiate, type KernelModule } from "./kernel_module.ts";
import type { WasmBackend } from "./wasm_backend.ts";
import { replaceStockKernels } from "./replace_stock_kernels.ts";
import { wasmKernels } from "./wasm_kernels.ts";

/** A tensor in the memory of the wasm backend. */
export interface Placed {
  readonly shape: readonly number[];
  /** Where its elements begin, in bytes. */
  readonly at: number;
}

/** A kernel on tensors in the memory of the wasm backend. */
export type WasmKernel<A extends Attributes> = (
  module: KernelModule,
  inputs: readonly Placed[],
  results: readonly Placed[],
  attributes: A,
) => void;

/** Registers foldlog's kernels with tfjs's wasm backend, whose memory they share. */
export function registerWasmKernels(backend: WasmBackend): void {
  if (tf.getKernel(KERNELS.product.name, "wasm") !== undefined) return; // this backend was opened before
  guardMemory(backend);
  const module = instantiate(backend);
  for (const name of Object.keys(KERNELS) as KernelName[]) {
    backWith(module, KERNELS[name] as Kernel, wasmKernels[name] as WasmKernel<Attributes>);
  }
  replaceStockKernels();
}

function backWith<A extends Attributes>(
  module: KernelModule,
  kernel: Kernel<A>,
  compute: WasmKernel<A>,
): void {
  register<WasmBackend, A>("wasm", kernel, (backend, inputs, specs, attributes) => {
    const place = ({ dataId, shape }: { dataId: object; shape: readonly number[] }): Placed => {
      return { shape, at: backend.dataIdMap.get(dataId).memoryOffset };
    };
    const results = specs.map(({ shape, dtype }: TensorSpec) => {
      return backend.makeOutput([...shape], dtype);
    });
    compute(module, inputs.map(place), results.map(place), attributes);
    return results;
  });
}
