import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { bytesOf } from "../../src/core/host_tensor.ts";
import { key, normal } from "../../src/core/rng_key.ts";
import { initLora, type LoraOptions, mergeLora, withLora } from "../../src/model/lora.ts";
import { classificationLoss, regressionLoss } from "../../src/model/supervised_loss.ts";
import { initUnet, unetOutputs, type UnetParams, type UnetSizes } from "../../src/model/unet.ts";
import type { Device } from "../../src/ports/device.ts";
import { release, scoped } from "../../src/train/ownership.ts";
import { leavesOf, type Tree } from "../../src/train/tree.ts";
import { backendTest } from "../support/backends.ts";
import { assertSlopes, unsettled } from "../support/slope.ts";

const SIZES: UnetSizes = { inputs: 2, outputs: 3, channels: [6, 8] };
const LORA: LoraOptions = { rank: 2, alpha: 3, targets: ["*.kernel"] };

/** Normalisations over few channels bend much. */
const STEP = 3e-3;

type Adapted = { readonly base: UnetParams; readonly lora: Tree };

const regression = regressionLoss<UnetParams>((params, x) => unetOutputs(params, x, SIZES));
const classification = classificationLoss<UnetParams>((params, x) => unetOutputs(params, x, SIZES));

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "a U-Net with its adapters merged is the adapted one, bit for bit, and not the base",
    async (device) => {
      const { base, lora } = scoped(initAdapted);
      const x = imagesOf([2, 4, 6, 2], 3);
      const merged = mergeLora(base, lora, LORA);
      const outputs = (params: () => UnetParams) =>
        bytesFrom(device, () => unetOutputs(params(), x, SIZES));
      const adapted = await outputs(() => withLora(base, lora, LORA));
      assert.deepEqual(await outputs(() => merged), adapted);
      assert.notDeepEqual(await outputs(() => base), adapted);
      const idle = scoped(() => initLora(base, LORA, key(2)));
      assert.deepEqual(await outputs(() => withLora(base, idle, LORA)), await outputs(() => base));
      release(merged, base);
      release([base, lora, idle, x]);
    },
  );

  backendTest(backend, "images of a batch are kept apart", async (device) => {
    const params = scoped(() => unsettled(initUnet(SIZES, key(4))));
    const both = imagesOf([2, 4, 2, 2], 5);
    const outputs = (x: () => tf.Tensor) =>
      numbersFrom(device, () => unetOutputs(params, x(), SIZES));
    const image = (index: number) => () => tf.slice(both, [index, 0, 0, 0], [1, 4, 2, 2]);
    const apart = [...await outputs(image(0)), ...await outputs(image(1))];
    (await outputs(() => both)).forEach((value, index) => {
      assert.ok(Math.abs(value - apart[index]!) < 1e-5, `${index}: ${value}, ${apart[index]}`);
    });
    release([params, both]);
  });
}

backendTest(
  "cpu",
  "the gradients of a U-Net and of its adapters are their slopes",
  async (device) => {
    const params = scoped(initAdapted);
    const inputs = imagesOf([2, 4, 2, 2], 6);
    const values = imagesOf([2, 4, 2, 3], 7);
    await assertSlopes(
      device,
      params,
      ({ base, lora }) => regression(withLora(base, lora, LORA), { inputs, targets: values }),
      STEP,
    );
    const classes = tf.tensor3d(
      [0, 1, 2, 2, 1, 0, 0, 0, 1, 1, 2, 0, 2, 1, 1, 2],
      [2, 4, 2],
      "int32",
    );
    await assertSlopes(
      device,
      params.base,
      (base) => classification(base, { inputs, targets: classes }),
      STEP,
    );
    release([params, inputs, values, classes]);
  },
);

backendTest("cpu", "a U-Net has one level or more, and images of any size that halves", () => {
  tf.tidy(() => {
    const shape = (channels: readonly number[], x: [number, number, number, number]) => {
      const sizes = { ...SIZES, channels };
      return unetOutputs(initUnet(sizes, key(8)), tf.ones(x), sizes).shape;
    };
    assert.deepEqual(shape([5], [1, 3, 7, 2]), [1, 3, 7, 3]);
    assert.deepEqual(shape([2, 3], [2, 2, 10, 2]), [2, 2, 10, 3]);
    assert.deepEqual(shape([2, 3, 4], [1, 12, 4, 2]), [1, 12, 4, 3]);
    assert.deepEqual(shape([2, 3], [0, 4, 4, 2]), [0, 4, 4, 3]);
  });
});

backendTest("cpu", "images, sizes and targets that do not fit are refused", () => {
  tf.tidy(() => {
    const params = initUnet(SIZES, key(8));
    const expected = "Expected images [n, height, width, 2] of height and width divisible by 2, " +
      "for 2 levels, found";
    for (const shape of [[1, 3, 4, 2], [1, 4, 5, 2], [1, 4, 4, 3], [4, 4, 2], [1, 0, 4, 2]]) {
      assert.throws(() => unetOutputs(params, tf.zeros(shape), SIZES), {
        name: "RangeError",
        message: `${expected} [${shape}]`,
      });
    }
    const init = (sizes: Partial<UnetSizes>) => () => initUnet({ ...SIZES, ...sizes }, key(8));
    assert.throws(init({ channels: [] }), { name: "RangeError", message: /^levels: expected/ });
    assert.throws(init({ channels: [2, 0] }), { message: /^channels of level 1: expected/ });
    assert.throws(init({ inputs: 0 }), { message: /^inputs: expected/ });
    assert.throws(init({ outputs: 1.5 }), { message: /^outputs: expected/ });
    const batch = (targets: tf.Tensor) => ({ inputs: tf.ones([1, 2, 2, 2]), targets });
    assert.throws(() => classification(params, batch(tf.zeros([1, 4], "int32"))), {
      message: "Expected targets of shape [1,2,2], found [1,4]",
    });
    assert.throws(() => regression(params, batch(tf.zeros([1, 2, 2, 1]))), {
      message: "Expected targets of shape [1,2,2,3], found [1,2,2,1]",
    });
  });
});

backendTest(
  "cpu",
  "initUnet() draws each kernel by its path, within He's bound",
  async (device) => {
    const sizes = { inputs: 3, outputs: 2, channels: [16, 24] };
    const params = scoped(() => initUnet(sizes, key(9)));
    const wider = scoped(() => initUnet({ ...sizes, outputs: 5 }, key(9)));
    const other = new Map<string, tf.Tensor>(leavesOf(wider));
    const seen = new Set<string>();
    for (const [path, leaf] of leavesOf(params)) {
      const { data, shape } = await device.read(leaf);
      if (!path.startsWith("head")) {
        assert.deepEqual((await device.read(other.get(path)!)).data, data, path);
      }
      if (!path.endsWith("kernel")) {
        assert.ok(data.every((value) => value === (path.endsWith("norm.weight") ? 1 : 0)), path);
        continue;
      }
      const gain = /^(en|de)code/.test(path) ? Math.SQRT2 : 1;
      const bound = gain * Math.sqrt(3 / (shape[0]! * shape[1]! * shape[2]!));
      const largest = Math.max(...data.map(Math.abs));
      const least = data.length > 100 ? 0.98 : 0.8;
      assert.ok(largest <= bound && largest > least * bound, `${path}: ${largest} of ${bound}`);
      seen.add(data.slice(0, 9).join());
    }
    assert.equal(seen.size, 9); // no two alike
    release([params, wider]);
  },
);

backendTest(
  "cpu",
  "classificationLoss() of pixels is the mean over all of them",
  async (device) => {
    const logits = imagesOf([2, 2, 3, 4], 10);
    const targets = Int32Array.from({ length: 12 }, (_, index) => index * 5 % 4);
    const predict = classificationLoss(() => logits);
    const [loss] = await numbersFrom(
      device,
      () => predict({}, { inputs: logits, targets: tf.tensor3d(targets, [2, 2, 3], "int32") }),
    );
    const { data } = await device.read(logits);
    const losses = [...targets].map((target, pixel) => {
      const row = [...data.slice(4 * pixel, 4 * pixel + 4)].map(Math.exp);
      return -Math.log(row[target]! / row.reduce((sum, value) => sum + value, 0));
    });
    const mean = losses.reduce((sum, value) => sum + value, 0) / losses.length;
    assert.ok(Math.abs(loss! - mean) < 1e-6, `${loss}, not ${mean}`);
    logits.dispose();
  },
);

function initAdapted(): Adapted {
  const base = unsettled(initUnet(SIZES, key(1)));
  return { base, lora: unsettled(initLora(base, LORA, key(2))) };
}

function imagesOf(shape: [number, number, number, number], seed: number): tf.Tensor4D {
  return tf.tensor4d(normal(key(seed), shape.reduce((size, n) => size * n, 1)), shape);
}

async function bytesFrom(device: Device, compute: () => tf.Tensor): Promise<Uint8Array> {
  const result = scoped(compute);
  const bytes = bytesOf(await device.read(result));
  result.dispose();
  return bytes;
}

async function numbersFrom(device: Device, compute: () => tf.Tensor): Promise<readonly number[]> {
  const result = scoped(compute);
  const { data } = await device.read(result);
  result.dispose();
  return [...data];
}
