import assert from "node:assert/strict";
import { blocksOf, digestBlocks } from "../../src/adapters/file_objects/file_blocks.ts";
import { BLOCK_BYTES } from "../../src/codec/compressed_header.ts";
import { sha256 } from "../../src/codec/digest.ts";
import { encodeSafetensors, safetensorsLayout } from "../../src/codec/safetensors.ts";
import type { HostTensor } from "../../src/core/host_tensor.ts";
import { floats, ints } from "../../src/testing/sample_snapshots.ts";

const BLOCK = BLOCK_BYTES / 4;
const header = safetensorsLayout({ a: ints([1]) }).header.length / 4;

const cases: Readonly<Record<string, Readonly<Record<string, HostTensor>>>> = {
  "no tensors": {},
  "empty tensors": { a: ints([]), b: floats([], [0, 3]) },
  "small tensors": { a: ints([1, 2]), b: floats([3]), c: floats([]), d: ints([4]) },
  "a tensor that ends where a block does": { a: counting(BLOCK - header) },
  "tensors around the ends of blocks": {
    a: counting(BLOCK - 100),
    b: counting(1),
    c: floats([]),
    d: counting(3 * BLOCK + 7),
    e: counting(200),
  },
  "many small tensors": Object.fromEntries(
    Array.from({ length: 3000 }, (_, index) => [`t${index}`, counting(index % 300)]),
  ),
};

for (const [name, tensors] of Object.entries(cases)) {
  Deno.test(`blocksOf() gives the bytes of the file, a block at a time: ${name}`, () => {
    const expected = encodeSafetensors(tensors, { format: "pt" });
    const layout = safetensorsLayout(tensors, { format: "pt" });
    assert.equal(layout.bytes, expected.length);
    let at = 0;
    for (const block of blocksOf(layout)) {
      assert.equal(block.length, Math.min(BLOCK_BYTES, expected.length - at));
      assert.ok(
        sha256(block) === sha256(expected.subarray(at, at + block.length)),
        `the block at ${at}`,
      );
      at += block.length;
    }
    assert.equal(at, expected.length);
  });

  Deno.test(`digestBlocks() is the digest of the file, and writes it: ${name}`, async () => {
    const expected = encodeSafetensors(tensors, { format: "pt" });
    const layout = safetensorsLayout(tensors, { format: "pt" });
    const written = new Uint8Array(expected.length);
    let at = 0;
    const digest = await digestBlocks(layout, async (block) => {
      await Promise.resolve();
      written.set(block, at);
      at += block.length;
    });
    assert.equal(digest, sha256(expected));
    assert.equal(sha256(written), digest);
    assert.equal(await digestBlocks(layout), digest);
  });
}

Deno.test("a block within one tensor is a view of it", () => {
  const large = counting(3 * BLOCK);
  const buffers = [...blocksOf(safetensorsLayout({ large }))].map(({ buffer }) => buffer);
  assert.deepEqual(buffers.map((buffer) => buffer === large.data.buffer), [
    false,
    true,
    true,
    true,
  ]);
});

Deno.test("digestBlocks() passes on that writing failed", async () => {
  const layout = safetensorsLayout({ a: ints([1]) });
  await assert.rejects(digestBlocks(layout, () => Promise.reject(new Error("full"))), /full/);
});

function counting(size: number): HostTensor {
  return ints(Int32Array.from({ length: size }, (_, at) => at * 2654435761));
}
