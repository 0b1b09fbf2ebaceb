import assert from "node:assert/strict";
import { bytesOf, type DType, type HostTensor } from "../../src/core/host_tensor.ts";
import * as tf from "foldlog/tf";
import { type Backend } from "foldlog";
import { backendTest } from "../support/backends.ts";

const backends: readonly Backend[] = ["cpu", "wasm", "webgpu"];

/** Quiet and signalling NaNs with payloads and signs, both zeros, infinities, subnormals. */
const oddWords = Int32Array.of(
  ...[0x7fc00000, 0x7fc12345, -0x3fffff, 0x7f800001, -0x400000, 0x7f800000, -0x800000],
  ...[0, -0x80000000, 1, 0x7fffff, 0x3f800000],
);

for (const backend of backends) {
  for (const dtype of ["float32", "int32"] as const) {
    backendTest(
      backend,
      `read() gives every bit of ${dtype}, with and without reuse`,
      async (device) => {
        const tensor = tensorOf(dtype, oddWords, [3, 4]);
        const fresh = await device.read(tensor);
        assertIs(fresh, dtype, [3, 4], oddWords);
        const memory = hostTensor(dtype, new Int32Array(12).fill(7), [12]);
        const reused = await device.read(tensor, memory);
        assertIs(reused, dtype, [3, 4], oddWords);
        assert.equal(reused.data, memory.data, "the memory was not used again");
        tensor.dispose();
      },
    );
  }

  backendTest(backend, "read() ignores memory of another type or size", async (device) => {
    const tensor = tensorOf("float32", oddWords, [12]);
    for (
      const other of [
        hostTensor("int32", new Int32Array(12), [12]),
        hostTensor("float32", new Int32Array(11), [11]),
        hostTensor("float32", new Int32Array(13), [13]),
        hostTensor("float32", new Int32Array(0), [0]),
      ]
    ) {
      const read = await device.read(tensor, other);
      assertIs(read, "float32", [12], oddWords);
      assert.ok(bytesOf(other).every((byte) => byte === 0), "the memory was written to");
    }
    tensor.dispose();
  });

  backendTest(
    backend,
    "what is written to a result changes no tensor and no other result",
    async (device) => {
      const tensor = tensorOf("float32", oddWords, [12]);
      const doubled = tf.mul(tensor, 2); // computed, so that webgpu has to bring it back
      const before = await device.read(doubled);
      const words = new Int32Array(before.data.slice().buffer);
      for (const read of [await device.read(doubled), await device.read(doubled, before)]) {
        read.data.fill(9);
        assertIs(await device.read(doubled), "float32", [12], words);
        assertIs(await device.read(tensor), "float32", [12], oddWords);
      }
      tf.dispose([tensor, doubled]);
    },
  );

  backendTest(
    backend,
    "a result can be handed to another thread, and the tensor is still there",
    async (device) => {
      const tensor = tensorOf("float32", oddWords, [12]);
      const { data } = await device.read(tensor);
      structuredClone(data, { transfer: [data.buffer as ArrayBuffer] });
      assert.equal(data.length, 0, "the memory was not the result's own");
      assertIs(await device.read(tensor), "float32", [12], oddWords);
      tensor.dispose();
    },
  );

  backendTest(
    backend,
    "read() gives scalars, empty tensors and views of other tensors",
    async (device) => {
      const scalar = tensorOf("int32", Int32Array.of(-5), []);
      const empty = tf.zeros([0, 3]);
      const turned = tf.reshape(scalar, [1, 1]);
      assertIs(await device.read(scalar), "int32", [], Int32Array.of(-5));
      assertIs(await device.read(turned), "int32", [1, 1], Int32Array.of(-5));
      assertIs(await device.read(empty), "float32", [0, 3], new Int32Array(0));
      tf.dispose([scalar, empty, turned]);
    },
  );

  backendTest(
    backend,
    "results are those of the moment, whatever is computed later",
    async (device) => {
      const tensor = tensorOf("int32", Int32Array.of(1, 2, 3), [3]);
      const read = await device.read(tensor);
      tensor.dispose();
      const others = Array.from({ length: 20 }, (_, n) => tf.fill([3], n, "int32"));
      await Promise.all(others.map((other) => device.read(other)));
      assertIs(read, "int32", [3], Int32Array.of(1, 2, 3));
      tf.dispose(others);
    },
  );

  backendTest(backend, "read() refuses a tensor of another type", async (device) => {
    const tensor = tf.tensor1d([true], "bool");
    await assert.rejects(device.read(tensor), /expected a float32 or int32 tensor.*found bool/i);
    tensor.dispose();
  });
}

backendTest("wasm", "read() gives a tensor that another backend holds", async (device) => {
  await tf.setBackend("cpu");
  const tensor = tensorOf("float32", oddWords, [12]);
  await device.activate();
  assertIs(await device.read(tensor), "float32", [12], oddWords);
  tensor.dispose();
});

function hostTensor(dtype: DType, words: Int32Array, shape: readonly number[]): HostTensor {
  const data = dtype === "int32" ? words : new Float32Array(words.buffer);
  return { dtype, shape, data };
}

function tensorOf(dtype: DType, words: Int32Array, shape: number[]): tf.Tensor {
  return tf.tensor(hostTensor(dtype, words.slice(), shape).data, shape, dtype);
}

function assertIs(
  actual: HostTensor,
  dtype: DType,
  shape: readonly number[],
  words: Int32Array,
): void {
  assert.deepEqual([actual.dtype, [...actual.shape]], [dtype, [...shape]]);
  assert.equal(actual.data.constructor, dtype === "int32" ? Int32Array : Float32Array);
  assert.deepEqual([...bytesOf(actual)], [...bytesOf(hostTensor("int32", words, shape))]);
}
