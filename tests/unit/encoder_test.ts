import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { key, normal, type RngKey } from "../../src/core/rng_key.ts";
import {
  encoderOutputs,
  type EncoderParams,
  type EncoderSizes,
  initEncoder,
} from "../../src/model/encoder.ts";
import { fullAttention } from "../../src/model/full_attention.ts";
import { classificationLoss, regressionLoss } from "../../src/model/supervised_loss.ts";
import type { Device } from "../../src/ports/device.ts";
import { causalAttention } from "../../src/train/kernels/attention.ts";
import { release, scoped } from "../../src/train/ownership.ts";
import { backendTest } from "../support/backends.ts";
import { assertSlopes, unsettled } from "../support/slope.ts";

const NUMBERS: EncoderSizes = {
  input: { features: 2 },
  context: 4,
  outputs: 3,
  layers: 1,
  heads: 2,
  channels: 4,
  dropout: 0,
  attention: "full",
  pooling: "mean",
};
const TOKENS: EncoderSizes = {
  ...NUMBERS,
  input: { vocabulary: 5 },
  attention: "causal",
  pooling: "last",
};

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "fullAttention() gives the last position what causalAttention() gives it, the others more",
    async (device) => {
      const shape = { batch: 2, context: 3, heads: 2 };
      const qkv = tf.tensor2d(normal(key(1), 6 * 12), [6, 12]);
      const full = await numbersOf(device, () => fullAttention(qkv, shape));
      const causal = await numbersOf(device, () => causalAttention(qkv, shape));
      qkv.dispose();
      full.forEach((value, index) => {
        const isLast = Math.floor(index / 4) % 3 === 2;
        assert.equal(Math.abs(value - causal[index]!) < 1e-6, isLast, `element ${index}`);
      });
    },
  );
}

backendTest("cpu", "the gradients of both encoders are their slopes", async (device) => {
  const numbers = tf.tensor3d(normal(key(2), 16), [2, 4, 2]);
  const values = tf.tensor2d(normal(key(3), 6), [2, 3]);
  const regression = regressionLoss<EncoderParams>((params, x) =>
    encoderOutputs(params, x, NUMBERS)
  );
  const estimator = scoped(() => unsettled(initEncoder(NUMBERS, key(4))));
  await assertSlopes(
    device,
    estimator,
    (params) => regression(params, { inputs: numbers, targets: values }),
  );

  const tokens = tf.tensor2d([3, 1, 4, 0, 2, 2, 0, 4], [2, 4], "int32");
  const classes = tf.tensor1d([2, 0], "int32");
  const classification = classificationLoss<EncoderParams>((params, x) =>
    encoderOutputs(params, x, TOKENS)
  );
  const classifier = scoped(() => unsettled(initEncoder(TOKENS, key(5))));
  await assertSlopes(
    device,
    classifier,
    (params) => classification(params, { inputs: tokens, targets: classes }),
  );
  release([numbers, values, estimator, tokens, classes, classifier]);
});

backendTest(
  "cpu",
  "full attention under a mean sees a set where positions are equal; causal attention does not",
  async (device) => {
    const rows = [[1, 2], [-1, 0.5], [0.25, -2], [3, 1]];
    for (const attention of ["full", "causal"] as const) {
      const sizes = { ...NUMBERS, attention };
      const outputs = (order: readonly number[]) =>
        numbersOf(device, () => {
          const params = unsettled(initEncoder(sizes, key(6)));
          const equal = { ...params, wpe: { weight: tf.zerosLike(params.wpe.weight) } };
          return encoderOutputs(equal, tf.tensor3d([order.map((row) => rows[row]!)]), sizes);
        });
      const [before, after] = [await outputs([0, 1, 2, 3]), await outputs([2, 0, 3, 1])];
      const off = Math.max(...before.map((value, index) => Math.abs(value - after[index]!)));
      assert.equal(off < 1e-5, attention === "full", `${attention}: ${off}`);
    }
  },
);

backendTest("cpu", "dropout of an encoder is a function of its key", async (device) => {
  const sizes = { ...NUMBERS, dropout: 0.5 };
  const outputs = (dropKey?: RngKey) =>
    numbersOf(device, () => {
      const params = unsettled(initEncoder(sizes, key(7)));
      return encoderOutputs(params, tf.ones([2, 4, 2]), sizes, dropKey);
    });
  assert.deepEqual(await outputs(key(1)), await outputs(key(1)));
  assert.notDeepEqual(await outputs(key(1)), await outputs(key(2)));
  assert.notDeepEqual(await outputs(key(1)), await outputs());
  assert.deepEqual(await outputs(), await outputs());
});

backendTest("cpu", "sequences may be shorter than the context, and nothing else", () => {
  tf.tidy(() => {
    const numbers = initEncoder(NUMBERS, key(8));
    const tokens = initEncoder(TOKENS, key(8));
    assert.deepEqual(encoderOutputs(numbers, tf.ones([2, 3, 2]), NUMBERS).shape, [2, 3]);
    const refused = (params: EncoderParams, shape: number[], sizes: EncoderSizes) =>
      assert.throws(
        () => encoderOutputs(params, tf.zeros(shape, "int32"), sizes),
        { name: "RangeError", message: new RegExp(`found \\[${shape}\\]$`) },
      );
    refused(numbers, [2, 5, 2], NUMBERS);
    refused(numbers, [2, 3, 1], NUMBERS);
    refused(numbers, [2, 3], NUMBERS);
    refused(tokens, [2, 5], TOKENS);
    refused(tokens, [2, 3, 2], TOKENS);
    assert.throws(() => initEncoder({ ...NUMBERS, heads: 3 }, key(8)), {
      message: "Expected channels to be a multiple of 3 heads, found 4",
    });
  });
});

async function numbersOf(device: Device, compute: () => tf.Tensor): Promise<readonly number[]> {
  const result = scoped(compute);
  const { data } = await device.read(result);
  result.dispose();
  return [...data];
}
