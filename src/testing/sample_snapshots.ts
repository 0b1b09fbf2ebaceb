import assert from "node:assert/strict";
import { bytesOf, type HostTensor } from "../core/host_tensor.ts";
import type { Snapshot, TensorGroup } from "../core/snapshot.ts";

/** A snapshot of step `step` with these tensors. */
export function snapshotOf(
  step: number,
  groups: Readonly<Record<string, Readonly<Record<string, HostTensor>>>>,
): Snapshot {
  const maps = Object.entries(groups).map(([name, group]): [string, TensorGroup] => [
    name,
    new Map(Object.entries(group)),
  ]);
  return {
    task: "line",
    step,
    cursor: { epoch: 1, index: step },
    history: "cd".repeat(32),
    groups: Object.fromEntries(maps),
  };
}

/** A float32 tensor. */
export function floats(
  data: readonly number[] | Float32Array,
  shape: readonly number[] = [data.length],
): HostTensor {
  const elements = data instanceof Float32Array ? data : Float32Array.from(data);
  return { dtype: "float32", shape, data: elements };
}

/** An int32 tensor. */
export function ints(
  data: readonly number[] | Int32Array,
  shape: readonly number[] = [data.length],
): HostTensor {
  const elements = data instanceof Int32Array ? data : Int32Array.from(data);
  return { dtype: "int32", shape, data: elements };
}

/** NaNs with payloads and a sign, both zeros, infinities, subnormals. */
const ODD_WORDS = [
  ...[0x7fc00000, 0x7fc00001, 0x7f800001, -0x400000, -0x800000],
  ...[0x7f800000, 0, -0x80000000, 1, 0x7fffff],
];

/** A snapshot with what is easily lost: odd floats, a scalar, an empty tensor, views, odd names. */
export function oddSnapshot(): Snapshot {
  const parts = Float32Array.of(9, 1, 2, 9, 3, 4);
  return snapshotOf(3, {
    model: {
      "h.0.attn.weight": floats(new Float32Array(Int32Array.from(ODD_WORDS).buffer), [2, 5]),
      "h.0.attn.bias": floats([1e-45, -1, 0.1]),
      "scalar": floats([-0], []),
      "empty": floats([], [0, 4]),
      "part": floats(parts.subarray(1, 3)),
      "na\u00efve \u{1f9e0}": floats([7]),
    },
    optimizer: {
      "0.moment": floats([0.25, 5e-45]),
      "0.part": floats(parts.subarray(4)),
      "0.count": ints([2147483647, -2147483648, 0]),
    },
  });
}

/** Compares snapshots by the bytes of their tensors. */
export function assertSame(actual: Snapshot, expected: Snapshot): void {
  assert.deepEqual(plainly(actual), plainly(expected));
}

function plainly({ groups, ...rest }: Snapshot): unknown {
  const tensors = Object.entries(groups).flatMap(([group, members]) =>
    [...members].map(([path, tensor]) => ({
      name: `${group}/${path}`,
      dtype: tensor.dtype,
      shape: [...tensor.shape],
      type: tensor.data.constructor.name,
      bytes: bytesOf(tensor).toHex(),
    }))
  );
  return { ...rest, tensors: tensors.sort((a, b) => a.name < b.name ? -1 : 1) };
}
