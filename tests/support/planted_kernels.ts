import type { Backend } from "foldlog";
import * as tf from "foldlog/tf";
import { replaceKernel } from "../../src/train/kernels/ordered_ops.ts";

/** Does work with other kernels in the place of a backend's own, and with none where undefined. */
export async function withPlanted<A>(
  backend: Backend,
  planted: Readonly<Record<string, tf.KernelFunc | undefined>>,
  work: () => Promise<A>,
): Promise<A> {
  const before = Object.keys(planted).map((name) => tf.getKernel(name, backend));
  for (const [name, kernel] of Object.entries(planted)) {
    if (kernel === undefined) tf.unregisterKernel(name, backend);
    else replaceKernel(name, backend, kernel);
  }
  try {
    return await work();
  } finally {
    for (const { kernelName, kernelFunc } of before) replaceKernel(kernelName, backend, kernelFunc);
  }
}
