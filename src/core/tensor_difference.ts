import { type DType, type HostTensor, sizeOf } from "./host_tensor.ts";

/** How two tensors that are not equal, bit for bit, differ. */
export type TensorDifference = FormDifference | ElementDifference;

/** Tensors of another type or shape, whose elements cannot be compared. */
export interface FormDifference {
  readonly differs: "form";
  readonly a: TensorForm;
  readonly b: TensorForm;
}

/** What a tensor is but for its elements. */
export interface TensorForm {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Tensors of one form of which some elements differ. */
export interface ElementDifference extends TensorForm {
  readonly differs: "elements";
  /** How many elements there are. */
  readonly elements: number;
  /** How many of them differ, in any bit: so 0 and -0 do, and NaNs of other payloads. */
  readonly differing: number;
  readonly first: DifferingElement;
  /** Elements that differ and of which at least one is NaN: they are left out of the maxima below. */
  readonly notNumbers: number;
  /** Largest |a - b| in float64; infinite where one is. Absent where every differing pair has a NaN. */
  readonly maxAbsolute?: number;
  /**
   * Of float32: the largest number of steps from one float to the next that lie between a and b, which is
   * 0 from -0 to 0 and 1 from the largest number to infinity. Absent where `maxAbsolute` is.
   */
  readonly maxUlps?: number;
}

/** Where two tensors differ, and in what. */
export interface DifferingElement {
  /** Its number in row-major order. */
  readonly index: number;
  /** Its index in each dimension. */
  readonly at: readonly number[];
  readonly a: ElementValue;
  readonly b: ElementValue;
}

/** An element as a number and, since that may not tell all, as its 32 bits in hexadecimal. */
export interface ElementValue {
  readonly value: number;
  readonly bits: string;
}

/**
 * How two tensors differ, or undefined where they are equal bit for bit. Borrows both.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 *
 * const one = { dtype: "float32", shape: [2], data: Float32Array.of(1, 2) } as const;
 * const other = { ...one, data: Float32Array.of(1, 2 + 2 ** -22) };
 * const found = tensorDifference(one, other);
 * if (found?.differs !== "elements") throw new Error("expected elements to differ");
 * deepEqual([found.first.at, found.maxAbsolute, found.maxUlps], [[1], 2 ** -22, 1]);
 * ```
 */
export function tensorDifference(a: HostTensor, b: HostTensor): TensorDifference | undefined {
  const { dtype, shape } = a;
  if (dtype !== b.dtype || shape.join() !== b.shape.join()) {
    return { differs: "form", a: { dtype, shape }, b: { dtype: b.dtype, shape: b.shape } };
  }
  const [bitsOfA, bitsOfB] = [bitsOf(a), bitsOf(b)];
  let [first, differing, notNumbers, maxAbsolute, maxUlps] = [-1, 0, 0, 0, 0];
  for (let i = 0; i < bitsOfA.length; i++) {
    if (bitsOfA[i] === bitsOfB[i]) continue;
    if (first < 0) first = i;
    differing++;
    const absolute = Math.abs(a.data[i]! - b.data[i]!);
    if (Number.isNaN(absolute)) {
      notNumbers++;
      continue;
    }
    maxAbsolute = Math.max(maxAbsolute, absolute);
    maxUlps = Math.max(maxUlps, Math.abs(ordered(bitsOfA[i]!) - ordered(bitsOfB[i]!)));
  }
  if (differing === 0) return undefined;
  return {
    differs: "elements",
    dtype,
    shape,
    elements: sizeOf(shape),
    differing,
    first: {
      index: first,
      at: indicesOf(first, shape),
      a: { value: a.data[first]!, bits: hexadecimal(bitsOfA[first]!) },
      b: { value: b.data[first]!, bits: hexadecimal(bitsOfB[first]!) },
    },
    notNumbers,
    ...(notNumbers < differing && { maxAbsolute, ...(dtype === "float32" && { maxUlps }) }),
  };
}

function bitsOf({ data }: HostTensor): Int32Array {
  return new Int32Array(data.buffer, data.byteOffset, data.length);
}

/**
 * The bits of a float32 as an integer that grows with it, by 1 from each float to the next: those of a
 * negative one are sign and magnitude (IEEE 754-2019, 3.4), so its magnitude is counted down from 0.
 */
function ordered(bits: number): number {
  return bits >= 0 ? bits : -(bits & 0x7fffffff);
}

function hexadecimal(bits: number): string {
  return (bits >>> 0).toString(16).padStart(8, "0");
}

function indicesOf(index: number, shape: readonly number[]): readonly number[] {
  let rest = index;
  return shape.toReversed().map((size) => {
    const at = rest % size;
    rest = (rest - at) / size;
    return at;
  }).toReversed();
}
