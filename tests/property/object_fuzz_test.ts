import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import { readRegular } from "../../src/adapters/files/regular_file.ts";
import { compressBlock, decompress } from "../../src/adapters/file_objects/compressed_blocks.ts";
import {
  type CompressedHeader,
  decodeCompressedHeader,
  encodeCompressedHeader,
} from "../../src/codec/compressed_header.ts";
import { sha256 } from "../../src/codec/digest.ts";
import { encodeManifest } from "../../src/codec/manifest_codec.ts";
import { packSnapshot } from "../../src/codec/snapshot_codec.ts";
import type { Snapshot, SnapshotManifest } from "../../src/core/snapshot.ts";
import type { SnapshotError } from "../../src/ports/snapshot_store.ts";
import { assertSame, floats, ints, snapshotOf } from "../../src/testing/sample_snapshots.ts";
import { keep, left, right } from "../../src/testing/snapshot_answers.ts";
import { type FileFixture, makeStore, overwrite } from "../support/snapshot_files.ts";
import { propertySeed } from "../support/small_tasks.ts";

for (const compress of ["none", "zstd", "zstd-delta"] as const) {
  Deno.test(`get() finds any one flipped bit of any object, and names the file (${compress})`, async () => {
    await using files = await makeStore(compress);
    await keep(files.store, "a", tinySnapshot(1)); // the base of the differences
    const { id } = await keep(files.store, "a", tinySnapshot(2));
    const { files: refs } = await right(files.store.manifest(id));
    const own = Object.values(refs).map(({ digest }) => digest);
    const names = compress === "none"
      ? [id, ...own]
      : [...files.objects().keys()].filter((name) =>
        name.endsWith(".zst") && (compress === "zstd-delta" || own.includes(name.slice(0, 64)))
      );
    assert.equal(names.length, compress === "none" ? 3 : compress === "zstd" ? 2 : 4);
    for (const name of names) {
      const { path } = files.objects().get(name)!;
      await Deno.chmod(path, 0o644);
      using file = await Deno.open(path, { read: true, write: true });
      const bytes = await Deno.readFile(path);
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        writeByte(file, bit >> 3, bytes[bit >> 3]! ^ 1 << (bit & 7));
        const error = await left(files.store.get(id));
        assert.ok(error.type === "SnapshotDamaged", `bit ${bit} of ${path}`);
        assert.deepEqual([error.id, error.place], [id, path], `bit ${bit}: ${error.reason}`);
        writeByte(file, bit >> 3, bytes[bit >> 3]!);
      }
    }
    assertSame(await right(files.store.get(id)), tinySnapshot(2));
  });

  Deno.test(`any edit of any object is found, and mended by storing the snapshot again (${compress})`, async () => {
    await using files = await makeStore(compress);
    await keep(files.store, "a", tinySnapshot(1));
    const { id } = await keep(files.store, "a", tinySnapshot(2));
    await fc.assert(
      fc.asyncProperty(fc.nat(), edits, async (which, edits) => {
        const objects = [...files.objects().values()];
        const { path } = objects[which % objects.length]!;
        const before = await Deno.readFile(path);
        const after = edits.reduce(edited, before);
        await overwrite(path, after);
        const found = await files.store.get(id)();
        if (E.isRight(found)) assertSame(found.right, tinySnapshot(2)); // another snapshot's object
        else assertIsFound(found.left);
        await right(files.store.list());
        for (const step of [1, 2]) await keep(files.reopen(), "a", tinySnapshot(step));
        assertSame(await right(files.store.get(id)), tinySnapshot(2));
      }),
      { numRuns: 60, seed: propertySeed() },
    );
  });
}

Deno.test("a manifest that vouches for itself and lies is refused, whatever it says", async () => {
  await using files = await makeStore();
  await keep(files.store, "a", tinySnapshot(1));
  const { manifest } = packSnapshot(tinySnapshot(1));
  const { model, optimizer } = manifest.files;
  const lies: readonly Partial<SnapshotManifest>[] = [
    { files: { model: { ...model!, bytes: 1e15 }, optimizer: optimizer! } },
    { files: { model: { ...model!, bytes: Number.MAX_SAFE_INTEGER }, optimizer: optimizer! } },
    { files: { model: { ...model!, bytes: model!.bytes - 1 }, optimizer: optimizer! } },
    { files: { model: { ...model!, bytes: 0 }, optimizer: optimizer! } },
    { files: { model: optimizer!, optimizer: model! } },
    { files: { model: model! } },
    { files: { ...manifest.files, more: model! } },
    { files: { model: { ...model!, digest: sha256("nobody") }, optimizer: optimizer! } },
    { files: {}, leaves: { "model/w": manifest.leaves["model/w"]! } },
    { leaves: {} },
    { leaves: { ...manifest.leaves, "model/v": sha256("") } },
    { leaves: { ...manifest.leaves, "model/w": sha256("") } },
    { state: sha256("") },
  ];
  for (const lie of lies) {
    const id = await plant(files, encodeManifest({ ...manifest, ...lie }));
    const error = await left(files.store.get(id));
    assertIsFound(error);
    assert.ok("id" in error && error.id === id, JSON.stringify(lie));
  }
});

Deno.test("a manifest with any edit, vouched for, is read or refused", async () => {
  await using files = await makeStore();
  await keep(files.store, "a", tinySnapshot(1));
  const { manifestBytes } = packSnapshot(tinySnapshot(1));
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(edits, async (edits) => {
      const bytes = edits.reduce(edited, manifestBytes);
      const id = await plant(files, bytes);
      const found = await files.store.get(id)();
      if (E.isRight(found)) return;
      refused++;
      assertIsFound(found.left);
      await Deno.remove(`${files.root}/objects/${id.slice(0, 2)}/${id}`);
    }),
    { numRuns: 300, seed: propertySeed() },
  );
  assert.ok(refused > 0);
});

Deno.test("a compressed object with any edit, its digests made to fit, is refused", async () => {
  await using files = await makeStore("zstd");
  const { id, manifest } = await keep(files.store, "a", tinySnapshot(1));
  const { digest } = manifest.files["model"]!;
  const { path } = files.objects().get(`${digest}.zst`)!;
  const original = await Deno.readFile(path);
  const header = decodeCompressedHeader(original);
  assert.ok(E.isRight(header));
  const blocks = original.subarray(120);
  await fc.assert(
    fc.asyncProperty(edits, fc.record(headerLies, { requiredKeys: [] }), async (edits, lies) => {
      const forged = edits.reduce(edited, blocks);
      const claims = { ...header.right, ...lies, blocks: sha256(forged) };
      await overwrite(path, Uint8Array.of(...encodeCompressedHeader(claims), ...forged));
      const found = await files.store.get(id)();
      if (E.isRight(found)) assertSame(found.right, tinySnapshot(1)); // the same plain bytes
      else assertIsFound(found.left);
    }),
    { numRuns: 300, seed: propertySeed() },
  );
  for (const plainBytes of [0, 1e15, Number.MAX_SAFE_INTEGER]) {
    await overwrite(
      path,
      Uint8Array.of(...encodeCompressedHeader({ ...header.right, plainBytes }), ...blocks),
    );
    assertIsFound(await left(files.store.get(id)));
  }
});

Deno.test("a compressed object that unpacks to other bytes is refused, though its tensors are the same", async () => {
  await using files = await makeStore("zstd");
  const { id, manifest } = await keep(files.store, "a", tinySnapshot(1));
  const { digest } = manifest.files["model"]!;
  const { path } = files.objects().get(`${digest}.zst`)!;
  const plain = packSnapshot(tinySnapshot(1)).files.get("model")!;
  const padding = plain.lastIndexOf("}".charCodeAt(0)) + 1;
  assert.equal(plain[padding], " ".charCodeAt(0));
  const blocks = compressBlock(plain.with(padding, "\n".charCodeAt(0)));
  const header = { chain: 0, plainBytes: plain.length, blocks: sha256(blocks) };
  await overwrite(path, Uint8Array.of(...encodeCompressedHeader(header), ...blocks));
  const error = await left(files.store.get(id));
  assert.ok(error.type === "SnapshotDamaged" && error.place === path, JSON.stringify(error));
});

Deno.test("objects that are differences from themselves or each other are refused", async () => {
  await using files = await makeStore("zstd-delta");
  const { id, manifest } = await keep(files.store, "a", tinySnapshot(1));
  const [one, other] = Object.values(manifest.files);
  for (const base of [one!.digest, other!.digest]) {
    for (const { digest, bytes } of [one!, other!]) {
      const { path } = files.objects().get(`${digest}.zst`)!;
      const blocks = compressBlock(new Uint8Array(bytes));
      const header = { chain: 1, plainBytes: bytes, base, blocks: sha256(blocks) };
      await overwrite(path, Uint8Array.of(...encodeCompressedHeader(header), ...blocks));
    }
    const error = await left(files.store.get(id));
    assert.equal(error.type, "SnapshotDamaged");
    await keep(files.reopen(), "a", tinySnapshot(1));
    assertSame(await right(files.store.get(id)), tinySnapshot(1));
  }
});

Deno.test("decompress() reads or refuses any bytes, and takes memory only for what is there", () => {
  const claims = fc.oneof(fc.nat(5000), fc.constantFrom(1e9, 1e12, 1e15, Number.MAX_SAFE_INTEGER));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), claims, (bytes, claim) => {
      const found = decompress(bytes, claim);
      if (E.isRight(found)) assert.equal(found.right.length, claim);
    }),
    { numRuns: 2000, seed: propertySeed() },
  );
});

Deno.test("decompress() refuses blocks that are cut at any byte, lengthened, or another's", () => {
  const plain = Uint8Array.from({ length: 999 }, (_, at) => at * at);
  const blocks = compressBlock(plain);
  const whole = decompress(blocks, 999);
  assert.ok(E.isRight(whole));
  assert.deepEqual(whole.right, plain);
  for (let length = 0; length < blocks.length; length++) {
    assert.ok(E.isLeft(decompress(blocks.subarray(0, length), 999)), `${length}`);
  }
  assert.ok(E.isLeft(decompress(Uint8Array.of(...blocks, 0), 999)));
  assert.ok(E.isLeft(decompress(Uint8Array.of(...blocks, ...blocks), 999)));
  for (const claim of [0, 998, 1000, 2 ** 20 + 999]) assert.ok(E.isLeft(decompress(blocks, claim)));
});

Deno.test("a header is read as it was written, and any flipped bit of it is found", () => {
  const headers = fc.record({ chain: fc.integer({ min: 1, max: 8 }), plainBytes: fc.maxSafeNat() });
  fc.assert(
    fc.property(headers, fc.boolean(), ({ chain, plainBytes }, hasBase) => {
      const blocks = sha256("blocks");
      const header: CompressedHeader = hasBase
        ? { chain, plainBytes, blocks, base: sha256("base") }
        : { chain: 0, plainBytes, blocks };
      const bytes = encodeCompressedHeader(header);
      assert.deepEqual(decodeCompressedHeader(bytes), E.right(header));
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = bytes.with(bit >> 3, bytes[bit >> 3]! ^ 1 << (bit & 7));
        assert.ok(E.isLeft(decodeCompressedHeader(flipped)), `bit ${bit}`);
      }
    }),
    { numRuns: 20, seed: propertySeed() },
  );
});

Deno.test("a header that contradicts itself is refused, though its digest fits", () => {
  const blocks = sha256("blocks");
  const base = sha256("base");
  for (
    const [header, message] of [
      [{ chain: 9, plainBytes: 1, blocks, base }, /expected a chain of 0, or of 1 to 8 .*found 9/],
      [{ chain: 1, plainBytes: 1, blocks }, /expected a chain of 0, or .*found 1/],
      [{ chain: 0, plainBytes: 1, blocks, base }, /expected a chain of 0, or .*found 0/],
      [{ chain: 0, plainBytes: 2 ** 60, blocks }, /expected at most 2\^53 - 1 plain bytes/],
    ] as const
  ) {
    const found = decodeCompressedHeader(encodeCompressedHeader(header));
    assert.ok(E.isLeft(found) && found.left.type === "Damaged");
    assert.match(found.left.reason, message);
  }
  const bytes = encodeCompressedHeader({ chain: 0, plainBytes: 1, blocks });
  bytes[8] = 2;
  bytes.set(Uint8Array.fromHex(sha256(bytes.subarray(0, 88))), 88);
  assert.deepEqual(
    decodeCompressedHeader(bytes),
    E.left({ type: "NewerFormat", found: 2, known: 1 }),
  );
});

Deno.test("a file that is larger than memory is refused before it is read", async () => {
  const path = await Deno.makeTempFile();
  await Deno.truncate(path, 2 ** 43); // a hole: it takes no room on the disk
  const found = await readRegular(path, { least: 0, most: Number.MAX_SAFE_INTEGER });
  assert.equal(found.type, "Misfit");
  await Deno.remove(path);
});

type Edit =
  | { readonly type: "flip"; readonly at: number; readonly bit: number }
  | { readonly type: "set"; readonly at: number; readonly byte: number }
  | { readonly type: "cut"; readonly at: number }
  | { readonly type: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly type: "double"; readonly at: number };

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ type: fc.constant("flip" as const), at: fc.nat(), bit: fc.nat(7) }),
  fc.record({ type: fc.constant("set" as const), at: fc.nat(), byte: fc.nat(255) }),
  fc.record({ type: fc.constant("cut" as const), at: fc.nat() }),
  fc.record({
    type: fc.constant("insert" as const),
    at: fc.nat(),
    bytes: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 20 }),
      fc.constantFrom("[[[[", '"__proto__":1,', "1e999", "{}").map((text) =>
        new TextEncoder().encode(text)
      ),
    ),
  }),
  fc.record({ type: fc.constant("double" as const), at: fc.nat() }),
);
const edits = fc.array(edit, { minLength: 1, maxLength: 3 });

const headerLies = {
  chain: fc.nat(8),
  plainBytes: fc.oneof(fc.nat(1000), fc.constantFrom(1e12, 1e15)),
  base: fc.constantFrom(sha256("nobody")),
};

function edited(bytes: Uint8Array, edit: Edit): Uint8Array {
  const at = bytes.length === 0 ? 0 : edit.at % bytes.length;
  switch (edit.type) {
    case "flip":
      return bytes.length === 0 ? bytes : bytes.with(at, bytes[at]! ^ 1 << edit.bit);
    case "set":
      return bytes.length === 0 ? bytes : bytes.with(at, edit.byte);
    case "cut":
      return bytes.slice(0, at);
    case "insert":
      return Uint8Array.of(...bytes.subarray(0, at), ...edit.bytes, ...bytes.subarray(at));
    case "double":
      return Uint8Array.of(...bytes.subarray(0, at), ...bytes);
  }
}

function writeByte(file: Deno.FsFile, at: number, byte: number): void {
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(Uint8Array.of(byte));
}

/** Stores bytes as an object that its name vouches for. */
async function plant({ root }: FileFixture, bytes: Uint8Array): Promise<string> {
  const id = sha256(bytes);
  await Deno.mkdir(`${root}/objects/${id.slice(0, 2)}`, { recursive: true });
  await Deno.writeFile(`${root}/objects/${id.slice(0, 2)}/${id}`, bytes);
  return id;
}

function assertIsFound(error: SnapshotError): void {
  const types = ["SnapshotDamaged", "SnapshotMissing", "NewerSnapshot"];
  assert.ok(types.includes(error.type), JSON.stringify(error));
}

function tinySnapshot(step: number): Snapshot {
  return snapshotOf(step, {
    model: { w: floats([step, NaN]) },
    optimizer: { n: ints([step]) },
  });
}
