import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { key, normal } from "../../src/core/rng_key.ts";
import { scoped } from "../../src/train/ownership.ts";
import { backendTest } from "../support/backends.ts";

// Two of the wasm backend's own kernels are replaced (src/train/kernels/wasm/replace_stock_kernels.ts): to
// a task that uses tfjs's operations they must be what they were.

interface Product {
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

const PRODUCTS: readonly Product[] = [
  { a: [3, 4], b: [4, 5] },
  { a: [4, 3], b: [4, 5], transposeA: true },
  { a: [3, 4], b: [5, 4], transposeB: true },
  { a: [4, 3], b: [5, 4], transposeA: true, transposeB: true },
  { a: [2, 3, 4], b: [2, 4, 5] },
  { a: [2, 2, 3, 4], b: [2, 2, 5, 4], transposeB: true },
  { a: [2, 3, 4], b: [1, 4, 5] }, // one side for all of the other: the stock kernel's
  { a: [70, 9], b: [9, 131] },
];

for (const backend of BACKENDS) {
  backendTest(backend, "tf.matMul multiplies, whatever its sides", async (device) => {
    for (const { a, b, transposeA = false, transposeB = false } of PRODUCTS) {
      const [left, right] = [valuesOf(a, 1), valuesOf(b, 2)];
      const c = scoped(() =>
        tf.matMul(tf.tensor(left, [...a]), tf.tensor(right, [...b]), transposeA, transposeB)
      );
      const { data } = await device.read(c);
      const label = `[${a}]${transposeA ? "'" : ""} [${b}]${transposeB ? "'" : ""}`;
      const [rows, columns] = c.shape.slice(-2) as [number, number];
      const inner = a.at(transposeA ? -2 : -1)!;
      data.forEach((value, at) => {
        const item = Math.floor(at / (rows * columns));
        const [i, j] = [Math.floor(at / columns) % rows, at % columns];
        let sum = 0;
        for (let k = 0; k < inner; k++) {
          const x = left[item * rows * inner + (transposeA ? k * rows + i : i * inner + k)]!;
          const from = b.slice(0, -2).every((n) => n === 1) ? 0 : item * inner * columns;
          sum += x * right[from + (transposeB ? j * inner + k : k * columns + j)]!;
        }
        assert.ok(
          Math.abs(value - sum) < 1e-4,
          `${label} at ${at}: expected ${sum}, found ${value}`,
        );
      });
      c.dispose();
    }
  });

  backendTest(backend, "tf.clone outlives what it was cloned from", async (device) => {
    const x = tf.tensor1d([1, 2, 3]);
    const copy = tf.clone(x);
    x.dispose();
    tf.zeros([3]).dispose(); // would take the memory if it were free
    assert.deepEqual([...(await device.read(copy)).data], [1, 2, 3]);
    copy.dispose();
  });
}

function valuesOf(shape: readonly number[], seed: number): Float32Array {
  return normal(key(seed), shape.reduce((size, n) => size * n, 1));
}
