import assert from "node:assert/strict";
import * as fc from "fast-check";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { bitSums } from "../../src/core/bit_sums.ts";
import { bits, key } from "../../src/core/rng_key.ts";
import { fingerprintSums } from "../../src/train/kernels/fingerprint.ts";
import { scoped } from "../../src/train/ownership.ts";
import { backendTest } from "../support/backends.ts";

/** Bits of float32 numbers that a codec might spoil. */
const ODD_BITS = [0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7fc12345, 1, 0x3f800000];

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "a fingerprint on the device is that of the host, bit for bit",
    async (device) => {
      for (const size of [0, 1, 2, 3, 4, 5, 7, 8, 63, 64, 65, 255, 256, 257, 1023, 5000, 70_001]) {
        const words = bits(key(size), size);
        words.set(ODD_BITS.slice(0, size));
        const sums = scoped(() => {
          const values = new Float32Array(words.buffer);
          return fingerprintSums([tf.tensor1d(values), tf.tensor1d(new Int32Array(words.buffer))]);
        });
        const expected = [...new Int32Array(bitSums(words).buffer)];
        assert.deepEqual(
          [...(await device.read(sums)).data],
          [...expected, ...expected],
          `${size}`,
        );
        sums.dispose();
      }
    },
  );
}

Deno.test("any bit of any element changes every sum", () => {
  fc.assert(fc.property(
    fc.uint32Array({ minLength: 1, maxLength: 40 }),
    fc.nat(),
    fc.nat(31),
    (words, at, bit) => {
      const before = bitSums(words);
      words[at % words.length]! ^= 1 << bit;
      const after = bitSums(words);
      assert.ok(before.every((sum, lane) => sum !== after[lane]));
    },
  ));
});

Deno.test("elements that change places change the sums", () => {
  const sums = [[1, 2, 3], [2, 1, 3], [3, 2, 1], [1, 2, 3, 0]].map((words) =>
    bitSums(Uint32Array.from(words)).join()
  );
  assert.equal(new Set(sums).size, 4);
});

Deno.test("the sums are those that another program computed from their description", () => {
  const sums = [...bitSums(Uint32Array.of(0, 1, 0x3f800000))].map((sum) => sum.toString(16));
  assert.deepEqual(sums, ["4b1e0cc3", "10462156", "3c190fc0", "27414784"]);
});
