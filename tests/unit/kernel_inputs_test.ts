import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import type { Device } from "../../src/ports/device.ts";
import { convolution } from "../../src/train/kernels/convolution.ts";
import { crossEntropy } from "../../src/train/kernels/cross_entropy.ts";
import { embedding } from "../../src/train/kernels/embedding.ts";
import { gelu } from "../../src/train/kernels/gelu.ts";
import { layerNorm } from "../../src/train/kernels/layer_norm.ts";
import { dense, product } from "../../src/train/kernels/product.ts";
import { upsample } from "../../src/train/kernels/upsample.ts";
import { scoped } from "../../src/train/ownership.ts";
import { backendTest } from "../support/backends.ts";

const f32 = (...shape: number[]) => tf.ones(shape) as never;
const i32 = (...shape: number[]) => tf.ones(shape, "int32") as never;

/** Calls with an input of a type that the kernel cannot read, and what it asks for. */
const WRONG: Readonly<Record<string, readonly [call: () => tf.Tensor, expected: string]>> = {
  "images of int32": [() => convolution(i32(1, 4, 4, 2), f32(3, 3, 2, 2), f32(2)), "float32"],
  "images of bool": [
    () => convolution(tf.ones([1, 4, 4, 2], "bool"), f32(3, 3, 2, 2), f32(2)),
    "float32",
  ],
  "a bias of int32": [() => dense(f32(2, 3), f32(3, 4), i32(4)), "float32"],
  "a product of int32": [() => product(i32(2, 2), i32(2, 2)), "float32"],
  "int32 to be upsampled": [() => upsample(i32(1, 2, 2, 1)), "float32"],
  "an activation of int32": [() => gelu(i32(4)), "float32"],
  "ids of float32": [() => embedding(f32(3, 2), f32(4)), "int32"],
  "targets of float32": [() => crossEntropy(f32(3, 2), f32(3)), "int32"],
};

for (const backend of BACKENDS) {
  backendTest(backend, "a kernel refuses bits that are not the numbers it takes", () => {
    for (const [name, [call, expected]] of Object.entries(WRONG)) {
      const message = new RegExp(
        `^Expected ${expected} as input \\d of foldlog\\.\\w+, found .*tf\\.cast`,
      );
      assert.throws(() => scoped(call), { name: "TypeError", message }, name);
    }
  });

  backendTest(
    backend,
    "kernels take nothing at all, and make nothing or zeros of it",
    async (device) => {
      const layers: Readonly<Record<string, (x: tf.Tensor2D) => tf.Tensor>> = {
        dense: (x) => dense(x, f32(3, 4), f32(4)),
        gelu: (x) => gelu(x),
        layerNorm: (x) => layerNorm(x, f32(3), f32(3)),
        convolution: (x) => convolution(tf.reshape(x, [0, 2, 2, 3]), f32(3, 3, 3, 2), f32(2)),
        upsample: (x) => upsample(tf.reshape(x, [0, 2, 2, 3])),
      };
      for (const [name, layer] of Object.entries(layers)) {
        const made = scoped(() => layer(tf.zeros([0, 3])));
        assert.deepEqual([...(await device.read(made)).data], [], name);
        made.dispose();
      }
      const ofWeight = (x: tf.Tensor2D) => tf.grad((w) => dense(x, w as tf.Tensor2D, f32(4)));
      assert.deepEqual(await valuesOf(device, () => ofWeight(tf.zeros([0, 3]))(f32(3, 4))), [
        ...new Float32Array(12),
      ]);
      assert.deepEqual(await valuesOf(device, () => product(tf.zeros([2, 0]), tf.zeros([0, 3]))), [
        ...new Float32Array(6),
      ]);
    },
  );
}

async function valuesOf(device: Device, make: () => tf.Tensor): Promise<readonly number[]> {
  const made = scoped(make);
  const { data } = await device.read(made);
  made.dispose();
  return [...data];
}
