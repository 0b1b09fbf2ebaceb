import assert from "node:assert/strict";
import { digestTensor } from "../../src/adapters/file_objects/tensor_digest.ts";
import { tensorDigest } from "../../src/codec/snapshot_codec.ts";
import { ints } from "../../src/testing/sample_snapshots.ts";

Deno.test("digestTensor() is the digest of the tensor, whichever thread computes it", async () => {
  for (const size of [0, 1, 2 ** 18, 2 ** 18 + 1, 2 ** 19, 5 * 2 ** 18 + 3, 11 * 2 ** 18]) {
    const memory = Int32Array.from({ length: size + 3 }, (_, at) => at * 2654435761);
    const tensor = ints(memory.subarray(2, size + 2));
    assert.equal(await digestTensor(tensor), tensorDigest(tensor), `${size} elements`);
    assert.equal(memory.length, size + 3, "the tensor was not borrowed");
  }
});

Deno.test("digestTensor() tells types and shapes apart", async () => {
  const memory = new Int32Array(2 ** 19);
  const digests = new Set<string>();
  for (const shape of [[2 ** 19], [2, 2 ** 18], [2 ** 18, 2]]) {
    digests.add(await digestTensor(ints(memory, shape)));
    const data = new Float32Array(memory.buffer);
    digests.add(await digestTensor({ dtype: "float32", shape, data }));
  }
  assert.equal(digests.size, 6);
});
