import type * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../../../core/host_tensor.ts";
import { type Attributes, type Kernel, register, type TensorSpec } from "../kernel.ts";
import { type KernelName, KERNELS } from "../registry.ts";
import { cpuKernels } from "./cpu_kernels.ts";

/** What is used here of tfjs's cpu backend. */
interface CpuBackend {
  readonly data: { get(dataId: object): { readonly values: unknown } };
  makeTensorInfo(shape: number[], dtype: string, values: Float32Array): tf.TensorInfo;
}

/** A tensor in memory: its elements are read as numbers, whatever their type. */
export interface Values {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A kernel on tensors in memory. Results are zeros before. */
export type CpuKernel<A extends Attributes> = (
  inputs: readonly Values[],
  results: readonly Values[],
  attributes: A,
) => void;

/** Registers foldlog's kernels with tfjs's cpu backend. They add in float64. */
export function registerCpuKernels(): void {
  for (const name of Object.keys(KERNELS) as KernelName[]) {
    backWith(KERNELS[name] as Kernel, cpuKernels[name] as CpuKernel<Attributes>);
  }
}

function backWith<A extends Attributes>(kernel: Kernel<A>, compute: CpuKernel<A>): void {
  register<CpuBackend, A>("cpu", kernel, (backend, inputs, specs, attributes) => {
    const given = inputs.map(({ shape, dataId }) => {
      return { shape, data: backend.data.get(dataId).values as Float32Array };
    });
    const results = specs.map(emptyOf);
    compute(given, results, attributes);
    return results.map(({ shape, data }, index) =>
      backend.makeTensorInfo([...shape], specs[index]!.dtype, data)
    );
  });
}

function emptyOf({ shape, dtype }: TensorSpec): Values {
  const Elements = dtype === "int32" ? Int32Array : Float32Array;
  return { shape, data: new Elements(sizeOf(shape)) as Float32Array };
}
