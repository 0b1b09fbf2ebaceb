/** Element types that a tensor can have in foldlog. */
export type DType = "float32" | "int32";

/**
 * A tensor in host memory: row-major elements and their shape.
 *
 * `data.length` is the product of `shape`; a scalar has shape `[]` and one element. Whoever receives
 * a HostTensor borrows `data` and must not write to it.
 */
export interface HostTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** The number of elements of a tensor of this shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

/** The tensor's bytes in the machine's order (little-endian on every machine that Deno runs on). */
export function bytesOf(tensor: HostTensor): Uint8Array {
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
}
