import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { bits, key } from "../../src/core/rng_key.ts";
import type { Device } from "../../src/ports/device.ts";
import { whereFinite } from "../../src/train/kernels/choose.ts";
import { scoped } from "../../src/train/ownership.ts";
import { backendTest } from "../support/backends.ts";

const FINITE = [0, 0x80000000, 1, 0x3f800000, 0x7f7fffff, 0xff7fffff];
const NOT_FINITE = [0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff];

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "whereFinite() is `next` where the measure is finite, else `previous`, bit for bit",
    async (device) => {
      for (const size of [1, 3, 4, 5, 16, 1001, 20_000]) {
        const next = bits(key(1), size); // all bits, of NaN and subnormal numbers too
        const previous = bits(key(2), size);
        for (const dtype of ["float32", "int32"] as const) {
          for (const measure of FINITE) {
            assert.deepEqual(await chosen(device, dtype, measure, next, previous), next);
          }
          for (const measure of NOT_FINITE) {
            assert.deepEqual(await chosen(device, dtype, measure, next, previous), previous);
          }
        }
      }
    },
  );

  backendTest(backend, "whereFinite() asks a measure that the device computed", async (device) => {
    for (const factor of [1e30, 1e-30]) {
      const result = scoped(() => {
        const large = tf.fill([], 1e30);
        return whereFinite(tf.mul(large, factor), tf.tensor1d([1, 2]), tf.tensor1d([3, 4]));
      });
      const expected = factor === 1e30 ? [3, 4] : [1, 2];
      assert.deepEqual([...(await device.read(result)).data], expected);
      result.dispose();
    }
  });
}

backendTest("cpu", "whereFinite() refuses a measure or a pair that does not fit", () => {
  scoped(() => {
    const [two, three, number] = [tf.zeros([2]), tf.zeros([3]), tf.scalar(1)];
    assert.throws(() => whereFinite(number, two, three), /found float32 \[\], .*\[2\] and .*\[3\]/);
    assert.throws(() => whereFinite(two as unknown as tf.Scalar, two, two), /found float32 \[2\]/);
    assert.throws(() => whereFinite(tf.scalar(1, "int32"), two, two), /found int32 \[\]/);
    assert.throws(() => whereFinite(number, two, tf.cast(two, "int32")), /and int32 \[2\]/);
    return [];
  });
});

/** The bits of the choice between tensors with these bits. */
async function chosen(
  device: Device,
  dtype: "float32" | "int32",
  measure: number,
  next: Uint32Array,
  previous: Uint32Array,
): Promise<Uint32Array> {
  const Elements = dtype === "float32" ? Float32Array : Int32Array;
  const result = scoped(() => {
    const asked = tf.tensor(new Float32Array(Uint32Array.of(measure).buffer), []) as tf.Scalar;
    const [a, b] = [next, previous].map((words) =>
      tf.tensor1d(new Elements(words.slice().buffer), dtype)
    );
    return whereFinite(asked, a!, b!);
  });
  const { data } = await device.read(result);
  result.dispose();
  return new Uint32Array(data.buffer, data.byteOffset, data.length);
}
