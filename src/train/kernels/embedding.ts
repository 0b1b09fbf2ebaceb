import type * as tf from "@tensorflow/tfjs";
import { float32, type Kernel, run } from "./kernel.ts";
import { withGradient } from "./with_gradient.ts";

type Rows = { readonly rows: number };

/** Of a table [rows, n] and int32 ids [count]: the rows of the ids, [count, n]; NaN for what is no row. */
export const TAKE_ROWS: Kernel = {
  name: "foldlog.TakeRows",
  takes: ["float32", "int32"],
  results: ([table, ids]) => [float32([ids!.shape[0]!, table!.shape[1]!])],
};

/**
 * Of x [count, n] and int32 ids [count]: [rows, n], each row the sum of the rows of x with its id, in
 * their order. An id that is no row is passed over.
 */
export const ADD_ROWS: Kernel<Rows> = {
  name: "foldlog.AddRows",
  takes: ["float32", "int32"],
  results: ([x], { rows }) => [float32([rows, x!.shape[1]!])],
};

/**
 * Rows of `table` [vocabulary, channels] for `ids` [count] (int32): [count, channels]. An id that is no
 * row gives NaN, which the loss then shows.
 *
 * The gradient adds in the order of the ids. That of tfjs's `gather` adds with atomics on webgpu, in no
 * fixed order, and is missing on wasm.
 */
export function embedding(table: tf.Tensor2D, ids: tf.Tensor1D): tf.Tensor2D {
  const rows = table.shape[0];
  return withGradient(
    [table],
    ([whole]) => ({ value: run(TAKE_ROWS, [whole!, ids], {})[0]!, saved: [ids] }),
    (dy, [used]) => run(ADD_ROWS, [dy, used!], { rows }),
  );
}
