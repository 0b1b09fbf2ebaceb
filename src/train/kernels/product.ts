import type * as tf from "@tensorflow/tfjs";
import { float32, type Kernel, run } from "./kernel.ts";
import { operandRounding } from "./rounding.ts";
import { withGradient } from "./with_gradient.ts";

/** Whether the last two dimensions of a side are exchanged before it is multiplied. */
export type Sides = { readonly transposeA: boolean; readonly transposeB: boolean };

/**
 * Of A [..., n, k] and B [..., k, m], each with its last two dimensions exchanged where the attribute
 * says so, and a bias [m] or none: A B + bias. The leading dimensions are equal, or one side has none.
 */
export const PRODUCT: Kernel<Sides> = {
  name: "foldlog.Product",
  results: ([a, b], sides) => {
    const { batch, rows, columns } = productShape(a!.shape, b!.shape, sides);
    return [float32([...batch, rows, columns])];
  },
};

/** Of x [rows, n]: the sums of its columns [n]. */
export const SUM_ROWS: Kernel = {
  name: "foldlog.SumRows",
  results: ([x]) => [float32(x!.shape.slice(1))],
};

/** Sizes of a product. */
export interface ProductShape {
  /** Leading dimensions of the result. */
  readonly batch: readonly number[];
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
}

/** The sizes of a product of these shapes; throws a RangeError where they do not fit. */
export function productShape(
  a: readonly number[],
  b: readonly number[],
  { transposeA, transposeB }: Sides,
): ProductShape {
  const [aRows, inner] = lastTwo(a, transposeA);
  const [bInner, columns] = lastTwo(b, transposeB);
  const batches = [a.slice(0, -2), b.slice(0, -2)].filter(({ length }) => length > 0);
  const [batch = [], other = batch] = batches;
  if (inner !== bInner || batch.join() !== other.join()) {
    const sides = `[${a}]${transposeA ? "'" : ""} and [${b}]${transposeB ? "'" : ""}`;
    throw new RangeError(`Expected shapes that can be multiplied, found ${sides}`);
  }
  return { batch, rows: aRows, columns, inner };
}

/**
 * Matrix product of [..., n, k] and [..., k, m], either side with its last two dimensions exchanged.
 *
 * Nothing is ever transposed in memory, for the gradients neither. Both sides have the same leading
 * dimensions.
 *
 * In mixed precision (`withPrecision`) both sides and the gradient that comes in are rounded to half
 * precision first, each once, and the gradients of the sides are products of what was rounded. The
 * product of two halves is exact in float32, and it is added up in float32.
 */
export function product<T extends tf.Tensor>(a: T, b: T, sides: Partial<Sides> = {}): T {
  const { transposeA = false, transposeB = false } = sides;
  const rounded = operandRounding();
  return withGradient(
    [a, b],
    (inputs) => {
      const operands = inputs.map(rounded);
      const value = multiplied(operands[0]!, operands[1]!, transposeA, transposeB);
      return { value, saved: operands };
    },
    (incoming, [left, right]) => {
      const dy = rounded(incoming);
      return [
        transposeA
          ? multiplied(right!, dy, transposeB, true)
          : multiplied(dy, right!, false, !transposeB),
        transposeB
          ? multiplied(dy, left!, true, transposeA)
          : multiplied(left!, dy, !transposeA, false),
      ];
    },
  );
}

/**
 * x W + b for x of [rows, in], W of [in, out] and b of [out]: [rows, out].
 *
 * In mixed precision x, W and the gradient that comes in are rounded as those of a `product` are; b is
 * not, and its gradient is the sum of what came in as it came.
 */
export function dense(x: tf.Tensor2D, weight: tf.Tensor2D, bias: tf.Tensor1D): tf.Tensor2D {
  const rounded = operandRounding();
  return withGradient([x, weight, bias], ([input, weights, shift]) => {
    const operands = [rounded(input!), rounded(weights!)];
    const [value] = run(PRODUCT, [...operands, shift!], { transposeA: false, transposeB: false });
    return { value: value!, saved: operands };
  }, (incoming, [input, weights]) => {
    const dy = rounded(incoming);
    return [
      multiplied(dy, weights!, false, true),
      multiplied(input!, dy, true, false),
      run(SUM_ROWS, [incoming], {})[0]!,
    ];
  });
}

function multiplied(
  a: tf.Tensor,
  b: tf.Tensor,
  transposeA: boolean,
  transposeB: boolean,
): tf.Tensor {
  return run(PRODUCT, [a, b], { transposeA, transposeB })[0]!;
}

function lastTwo(shape: readonly number[], transposed: boolean): readonly [number, number] {
  const [rows, columns] = shape.slice(-2) as [number, number];
  return transposed ? [columns, rows] : [rows, columns];
}
