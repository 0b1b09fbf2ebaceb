import * as tf from "@tensorflow/tfjs";
import { ADD_ROWS } from "./embedding.ts";
import { sizeOf } from "../../core/host_tensor.ts";

/** tfjs's kernels that add floats in no fixed order on some backend, or write one place twice; and what to use instead. */
const FORBIDDEN: Readonly<Record<string, string>> = {
  Bincount: "count on the host, or sum the rows of tf.oneHot",
  DenseBincount: "count on the host, or sum the rows of tf.oneHot",
  Dilation2DBackpropFilter: "tf.maxPool, whose gradient has a fixed order",
  Dilation2DBackpropInput: "tf.maxPool, whose gradient has a fixed order",
  Multinomial: "draw on the host, with `uniform` of a key",
  ScatterNd: "a product with tf.oneHot, or `embedding` and its gradient",
  SparseSegmentMean: "`embedding`, whose gradient has a fixed order",
  SparseSegmentSum: "`embedding`, whose gradient has a fixed order",
  SparseToDense: "a product with tf.oneHot",
  TensorScatterUpdate: "tf.where with a mask",
};

/** Thrown where an operation is used whose result may have other bits the next time. */
export class NonDeterministicOp extends Error {
  constructor(readonly op: string, readonly alternative: string) {
    super(`Cannot use ${op}: it has no fixed order on every backend. Use ${alternative}`);
    this.name = "NonDeterministicOp";
  }
}

/**
 * Makes every operation of a backend one that gives the same bits each time: the sum of segments (the
 * gradient of `tf.gather`) is foldlog's own, and what has no fixed order somewhere is refused
 * everywhere, so that what runs on one backend runs on the others.
 */
export function orderOps(backendName: string): void {
  replaceKernel("UnsortedSegmentSum", backendName, segmentSum(backendName));
  for (const [op, alternative] of Object.entries(FORBIDDEN)) {
    replaceKernel(op, backendName, () => {
      throw new NonDeterministicOp(op, alternative);
    });
  }
}

/** Puts another function in the place of one of tfjs's kernels, or in an empty one. */
export function replaceKernel(
  kernelName: string,
  backendName: string,
  kernelFunc: tf.KernelFunc,
): void {
  if (tf.getKernel(kernelName, backendName) !== undefined) {
    tf.unregisterKernel(kernelName, backendName);
  }
  tf.registerKernel({ kernelName, backendName, kernelFunc });
}

/** UnsortedSegmentSum by `addRows`: x [count, ...] and ids [count] to [numSegments, ...]. */
function segmentSum(backendName: string): tf.KernelFunc {
  const { kernelFunc: addRows } = tf.getKernel(ADD_ROWS.name, backendName)!;
  return ({ inputs, attrs, backend }) => {
    const { x, segmentIds } = inputs as Record<"x" | "segmentIds", tf.TensorInfo>;
    const { numSegments } = attrs as { numSegments: number };
    const [count, ...rest] = x.shape;
    const rows = { ...x, shape: [count!, sizeOf(rest)] };
    const given = { inputs: { 0: rows, 1: segmentIds }, attrs: { rows: numSegments }, backend };
    const [sums] = addRows(given) as [tf.TensorInfo];
    return { ...sums, shape: [numSegments, ...rest] };
  };
}
