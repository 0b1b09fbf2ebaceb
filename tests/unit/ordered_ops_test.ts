import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { NonDeterministicOp } from "../../src/train/kernels/ordered_ops.ts";
import { scoped } from "../../src/train/ownership.ts";
import { backendTest } from "../support/backends.ts";

const ids = () => tf.tensor1d([1, 0, 1], "int32");

/** An operation that is refused, by its kernel's name. */
const REFUSED: Readonly<Record<string, () => tf.Tensor>> = {
  Bincount: () => tf.bincount(ids(), tf.tensor1d([]), 2),
  DenseBincount: () => tf.denseBincount(ids(), tf.tensor1d([]), 2),
  Dilation2DBackpropFilter: () => gradientOfDilation("Dilation2DBackpropFilter"),
  Dilation2DBackpropInput: () => gradientOfDilation("Dilation2DBackpropInput"),
  Multinomial: () => tf.multinomial(tf.tensor1d([0.5, 0.5]), 2),
  ScatterNd: () => tf.scatterND(tf.tensor2d([[0], [0]], [2, 1], "int32"), tf.ones([2]), [3]),
  SparseSegmentMean: () => tf.sparse.sparseSegmentMean(tf.ones([2, 2]), ids(), ids()),
  SparseSegmentSum: () => tf.sparse.sparseSegmentSum(tf.ones([2, 2]), ids(), ids()),
  SparseToDense: () => tf.sparseToDense(ids(), tf.ones([3]), [3]),
  TensorScatterUpdate: () =>
    tf.tensorScatterUpdate(tf.zeros([3]), tf.tensor2d([[0]], [1, 1], "int32"), tf.ones([1])),
};

for (const backend of BACKENDS) {
  for (const [op, use] of Object.entries(REFUSED)) {
    backendTest(backend, `${op} is refused by name, with what to use instead`, () => {
      assert.throws(() => scoped(use), (error) => {
        assert.ok(error instanceof NonDeterministicOp);
        assert.equal(error.op, op);
        assert.match(error.message, /no fixed order on every backend\. Use ./);
        return true;
      });
    });
  }

  backendTest(backend, "the gradient of tf.gather adds in the order of the ids", async (device) => {
    const values = [1e8, 3, -1e8, 1];
    const gradient = scoped(() => {
      const weights = tf.tensor2d(values, [4, 1]);
      const chosen = tf.tensor1d([2, 2, 2, 0], "int32");
      return tf.grad((table) => tf.sum(tf.mul(tf.gather(table, chosen), weights)))(tf.ones([3, 1]));
    });
    assert.deepEqual(gradient.shape, [3, 1]);
    // float32 adds 3 to 1e8 and gets 1e8, in this order; cpu adds in float64.
    const sum = backend === "cpu" ? 3 : Math.fround(Math.fround(1e8 + 3) - 1e8);
    assert.deepEqual([...(await device.read(gradient)).data], [1, 0, sum]);
    gradient.dispose();
  });

  backendTest(backend, "tf.unsortedSegmentSum keeps further dimensions", async (device) => {
    const sums = scoped(() => tf.unsortedSegmentSum(tf.range(0, 12).reshape([3, 2, 2]), ids(), 2));
    assert.deepEqual(sums.shape, [2, 2, 2]);
    assert.deepEqual([...(await device.read(sums)).data], [4, 5, 6, 7, 8, 10, 12, 14]);
    sums.dispose();
  });
}

/** As tfjs's gradient of `tf.dilation2d` runs it; from there, tfjs would leak what the gradient kept. */
function gradientOfDilation(kernel: string): tf.Tensor {
  const x = tf.ones([1, 3, 3, 1]);
  return tf.engine().runKernel(kernel, { x, filter: tf.ones([2, 2, 1]), dy: x }, { pad: "same" });
}
