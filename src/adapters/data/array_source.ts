import { batchDigest } from "../../codec/snapshot_codec.ts";
import { type HostTensor, sizeOf } from "../../core/host_tensor.ts";
import type { BatchSource } from "../../ports/batch_source.ts";

/**
 * A data set in memory: named tensors whose first dimension is the samples, as many in each.
 *
 * Borrows the tensors for as long as it lives. Throws a RangeError where their sizes do not agree.
 *
 * @example
 * ```ts
 * import { arraySource } from "foldlog";
 *
 * const x = { dtype: "float32", shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) } as const;
 * const source = arraySource("three points", { x });
 * if (source.identity.samples !== 3) throw new Error("expected three samples");
 * ```
 */
export function arraySource<Name extends string>(
  name: string,
  tensors: { readonly [N in Name]: HostTensor },
): BatchSource<{ readonly [N in Name]: HostTensor }> {
  const named = Object.entries<HostTensor>(tensors);
  const samples = named[0]?.[1].shape[0] ?? 0;
  for (const [tensor, { shape, data }] of named) {
    if (shape[0] !== samples || sizeOf(shape) !== data.length || samples < 1) {
      throw new RangeError(
        `Expected "${tensor}" to have ${samples} samples and as many elements as its shape ` +
          `[${shape}], found ${data.length} elements`,
      );
    }
  }
  return {
    identity: { name, samples, digest: batchDigest(tensors) },
    at: (numbers) =>
      Object.fromEntries(
        named.map(([tensor, whole]) => [tensor, pick(whole, numbers)]),
      ) as { readonly [N in Name]: HostTensor },
  };
}

/** The rows with these numbers. */
function pick({ dtype, shape, data }: HostTensor, rows: readonly number[]): HostTensor {
  const width = sizeOf(shape.slice(1));
  const picked = dtype === "int32"
    ? new Int32Array(rows.length * width)
    : new Float32Array(rows.length * width);
  rows.forEach((row, index) => {
    picked.set(data.subarray(row * width, (row + 1) * width), index * width);
  });
  return { dtype, shape: [rows.length, ...shape.slice(1)], data: picked };
}
