import * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../../../core/host_tensor.ts";

import { replaceKernel } from "../ordered_ops.ts";
import { PRODUCT, type Sides } from "../product.ts";
import type { WasmBackend } from "./wasm_backend.ts";

/**
 * Puts better ones in the place of two of the wasm backend's own kernels, which every task meets.
 *
 * - Identity, with which tfjs keeps what a gradient needs, copies; here the memory is shared, as on the
 *   other backends.
 * - BatchMatMul takes twelve times as long for a batch, or for a transposed side, as for a plain product.
 *   Where both sides have the same leading dimensions, foldlog's product takes its place.
 */
export function replaceStockKernels(): void {
  replaceKernel("Identity", "wasm", ({ inputs, backend }) => {
    const { dataId, shape, dtype } = inputs["x"] as tf.TensorInfo;
    (backend as WasmBackend).incRef(dataId);
    return { dataId, shape, dtype };
  });
  const stock = tf.getKernel("BatchMatMul", "wasm")!.kernelFunc;
  replaceKernel("BatchMatMul", "wasm", (call) => {
    const { a, b } = call.inputs as Record<"a" | "b", tf.TensorInfo>;
    const [left, right] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
    const alike = left.join() === right.join() && sizeOf(left) > 0;
    if (!alike || a.dtype !== "float32" || b.dtype !== "float32") return stock(call);
    const product = tf.getKernel(PRODUCT.name, "wasm")!.kernelFunc;
    const attrs = call.attrs as unknown as Sides;
    const [result] = product({ inputs: { 0: a, 1: b }, attrs, backend: call.backend }) as [
      tf.TensorInfo,
    ];
    return result;
  });
}
