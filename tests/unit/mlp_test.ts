import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { key } from "../../src/core/rng_key.ts";
import { initMlp, mlpLogits, type MlpParams } from "../../src/model/mlp.ts";
import { classificationLoss, regressionLoss } from "../../src/model/supervised_loss.ts";
import { release, scoped } from "../../src/train/ownership.ts";
import { leavesOf } from "../../src/train/tree.ts";
import { backendTest } from "../support/backends.ts";
import { assertSlopes, unsettled } from "../support/slope.ts";

const SIZES = { inputs: 3, hidden: [5, 4], outputs: 2, activation: "relu" } as const;

backendTest("cpu", "initMlp() has one dense layer more than hidden widths", () => {
  const params = scoped(() => initMlp(SIZES, key(1)));
  assert.deepEqual(leavesOf(params).map(([path, { shape }]) => [path, shape]), [
    ["layers.0.bias", [5]],
    ["layers.0.weight", [3, 5]],
    ["layers.1.bias", [4]],
    ["layers.1.weight", [5, 4]],
    ["layers.2.bias", [2]],
    ["layers.2.weight", [4, 2]],
  ]);
  release(params);
});

backendTest("cpu", "initMlp() draws within gain sqrt(3 / in), and as wide", async (device) => {
  for (const [activation, gain] of [["relu", Math.SQRT2], ["tanh", 5 / 3]] as const) {
    const sizes = { inputs: 50, hidden: [40], outputs: 60, activation };
    const params = scoped(() => initMlp(sizes, key(2)));
    for (const [layer, bound] of [gain * Math.sqrt(3 / 50), Math.sqrt(3 / 40)].entries()) {
      const { data } = await device.read(params.layers[layer]!.weight);
      const largest = Math.max(...data.map(Math.abs));
      assert.ok(largest <= bound && largest > 0.99 * bound, `${activation} ${layer}: ${largest}`);
    }
    release(params);
  }
});

for (const backend of BACKENDS) {
  for (const activation of ["relu", "gelu", "tanh"] as const) {
    backendTest(
      backend,
      `the gradients of an mlp of ${activation} are its slopes`,
      async (device) => {
        const sizes = { ...SIZES, activation };
        const params = scoped(() => unsettled(initMlp(sizes, key(3))));
        const inputs = tf.tensor2d([[0.5, -1, 2], [1.5, 0.25, -0.75]]);
        const classes = tf.tensor1d([1, 0], "int32");
        const loss = classificationLoss<MlpParams>((params, x) => mlpLogits(params, x, sizes));
        await assertSlopes(device, params, (params) => loss(params, { inputs, targets: classes }));
        release([params, inputs, classes]);
      },
    );
  }
}

backendTest("cpu", "inputs and targets that do not fit are refused, not broadcast", () => {
  tf.tidy(() => {
    const params = initMlp(SIZES, key(4));
    const inputs = tf.zeros([2, 3]);
    const predict = (params: MlpParams, x: tf.Tensor) => mlpLogits(params, x, SIZES);
    assert.throws(() => predict(params, tf.zeros([2, 4])), {
      name: "RangeError",
      message: "Expected inputs [batch, 3], found [2,4]",
    });
    assert.throws(
      () => regressionLoss(predict)(params, { inputs, targets: tf.zeros([2, 1]) }),
      { name: "RangeError", message: "Expected targets of shape [2,2], found [2,1]" },
    );
    assert.throws(
      () => classificationLoss(predict)(params, { inputs, targets: tf.zeros([3], "int32") }),
      { name: "RangeError", message: "Expected targets of shape [2], found [3]" },
    );
    assert.throws(() => initMlp({ ...SIZES, hidden: [5, 0] }, key(4)), {
      message: /width 2: expected an integer from 1/,
    });
  });
});
