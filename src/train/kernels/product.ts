import * as tf from "@tensorflow/tfjs";
import { withGradient } from "./with_gradient.ts";

/**
 * Matrix product of [..., n, k] and [..., k, m] whose gradient transposes explicitly.
 *
 * tfjs's own gradient passes transpose flags, which its wasm backend computes about twelve times
 * slower than a transpose followed by a plain product.
 */
export function product<T extends tf.Tensor>(a: T, b: T): T {
  return withGradient(
    [a, b],
    (left, right) => ({ value: tf.matMul(left!, right!), saved: [left!, right!] }),
    (dy, [left, right]) => [
      tf.matMul(dy, transposed(right!)),
      tf.matMul(transposed(left!), dy),
    ],
  );
}

/** The last two dimensions exchanged. */
export function transposed<T extends tf.Tensor>(x: T): T {
  const axes = x.shape.map((_, axis) => axis);
  return tf.transpose(x, [...axes.slice(0, -2), x.rank - 1, x.rank - 2]);
}

/** x W + b for x of [rows, in], W of [in, out] and b of [out]: [rows, out]. */
export function dense(x: tf.Tensor2D, weight: tf.Tensor2D, bias: tf.Tensor1D): tf.Tensor2D {
  return tf.add(product(x, weight), bias);
}
