import assert from "node:assert/strict";
import { zstdDecompressSync } from "node:zlib";
import * as E from "fp-ts/Either.js";
import * as TE from "fp-ts/TaskEither.js";
import type { Compression } from "../../src/adapters/file_objects/compression.ts";
import { fileSnapshotStore } from "../../src/adapters/file_objects/file_snapshot_store.ts";
import { describeSnapshotError } from "../../src/app/errors/describe_error.ts";
import {
  COMPRESSED_HEADER_BYTES,
  type CompressedHeader,
  decodeCompressedHeader,
} from "../../src/codec/compressed_header.ts";
import { sha256 } from "../../src/codec/digest.ts";
import { packSnapshot } from "../../src/codec/snapshot_codec.ts";
import type { Digest } from "../../src/core/digest.ts";
import type { Snapshot, SnapshotId } from "../../src/core/snapshot.ts";
import { assertSame, floats, ints, snapshotOf } from "../../src/testing/sample_snapshots.ts";
import { keep, left, liveOnly, right } from "../../src/testing/snapshot_answers.ts";
import {
  type FileFixture,
  makeStore,
  namesIn,
  overwrite,
  smallSnapshot,
} from "../support/snapshot_files.ts";

for (const compress of ["zstd", "zstd-delta"] as const) {
  Deno.test(`${compress} keeps tensors compressed alone, and manifests as they are`, async () => {
    await using files = await makeStore(compress);
    const { id, manifest } = await keep(files.store, "a", drifting(1));
    const [model] = Object.values(manifest.files);
    assert.deepEqual([...files.objects().keys()], [id, `${model!.digest}.zst`].sort());
    assert.equal(sha256(await Deno.readFile(files.objects().get(id)!.path)), id);
    assert.deepEqual(namesIn(`${files.root}/a/checkpoints/step-000001`), ["manifest.json"]);
    for (const { mode } of files.objects().values()) assert.equal(mode! & 0o222, 0);
  });

  Deno.test(`${compress} takes less room than the tensors that it keeps`, async () => {
    await using files = await makeStore(compress);
    const { manifest } = await keep(files.store, "a", drifting(1));
    const { digest, bytes } = manifest.files["model"]!;
    const { size } = files.objects().get(`${digest}.zst`)!;
    assert.ok(size < 0.9 * bytes, `${size} of ${bytes} bytes`);
  });

  Deno.test(`what ${compress} writes is as docs/format.md says`, async () => {
    await using files = await makeStore(compress);
    for (let step = 1; step <= 3; step++) {
      const packed = packSnapshot(drifting(step));
      await keep(files.store, "a", drifting(step));
      const { digest } = packed.manifest.files["model"]!;
      const plain = await readByTheBook(files.root, digest);
      assert.equal(sha256(plain), digest);
      assert.ok(plain.length > 2 ** 20, "more than one block");
    }
  });
}

Deno.test("bytes() is what compressed objects and their bases take on disk", async () => {
  await using files = await makeStore("zstd-delta");
  const { id: first } = await keep(files.store, "a", drifting(1));
  const { id: second } = await keep(files.store, "a", drifting(2));
  const sizes = [...files.objects()].map(([, { size }]) => size);
  const all = sizes.reduce((sum, size) => sum + size, 0);
  assert.equal(sizes.length, 4);
  assert.equal(await right(files.store.bytes([first, second])), all);
  const manifest = files.objects().get(first)!.size;
  assert.equal(await right(files.store.bytes([second])), all - manifest, "its base is the first's");
});

Deno.test("zstd-delta keeps differences, in chains of at most eight, for each run its own", async () => {
  await using files = await makeStore("zstd-delta");
  const chains: number[] = [];
  let whole = 0;
  const stored: SnapshotId[] = [];
  for (let step = 1; step <= 12; step++) {
    await keep(files.store, "other", drifting(100 + step, 20_000));
    const before = stored.at(-1);
    const { id, manifest } = await keep(files.store, "a", drifting(step, 20_000));
    const { digest } = manifest.files["model"]!;
    const { chain, base } = headerOf(files, digest);
    chains.push(chain);
    const { size } = files.objects().get(`${digest}.zst`)!;
    if (chain === 0) {
      whole = size;
      assert.equal(base, undefined);
    } else {
      assert.equal(base, (await right(files.store.manifest(before!))).files["model"]!.digest);
      assert.ok(size < whole / 4, `step ${step}: ${size} bytes, whole ${whole}`);
    }
    stored.push(id);
  }
  assert.deepEqual(chains, [0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2]);
  for (const [index, id] of stored.entries()) {
    assertSame(await right(files.reopen().get(id)), drifting(index + 1, 20_000));
  }
});

Deno.test("zstd-delta keeps a group of another size whole, and one without a base", async () => {
  await using files = await makeStore("zstd-delta");
  const of = (step: number, size: number) =>
    snapshotOf(step, {
      model: { w: ints(Int32Array.from({ length: size }, (_, at) => at * step)) },
    });
  const chainAfter = async (store: typeof files.store, step: number, size: number) => {
    const { id, manifest } = await keep(store, "a", of(step, size));
    assertSame(await right(store.get(id)), of(step, size));
    return headerOf(files, manifest.files["model"]!.digest).chain;
  };
  assert.equal(await chainAfter(files.store, 1, 1000), 0);
  assert.equal(await chainAfter(files.store, 2, 1001), 0);
  assert.equal(await chainAfter(files.store, 3, 1001), 1);
  assert.equal(await chainAfter(files.reopen(), 4, 1001), 0);
});

Deno.test("every store reads both forms, and writes none of an object that is there in either", async () => {
  await using files = await makeStore();
  const stores = ["none", "zstd", "zstd-delta"] as const;
  const storeOf = (compress: Compression) => fileSnapshotStore(files.root, { compress });
  const ids: SnapshotId[] = [];
  for (const [index, compress] of stores.entries()) {
    ids.push((await keep(storeOf(compress), "a", drifting(index + 1))).id);
  }
  const before = files.objects();
  for (const compress of stores) {
    const store = storeOf(compress);
    for (const [index, id] of ids.entries()) {
      assertSame(await right(store.get(id)), drifting(index + 1));
      assert.equal((await keep(store, "b", drifting(index + 1))).id, id);
    }
    assert.deepEqual(await right(store.list()), [...ids].sort());
  }
  assert.deepEqual([...files.objects().keys()], [...before.keys()]);
  for (const [name, { ino, mtime }] of files.objects()) {
    assert.deepEqual([ino, mtime], [before.get(name)!.ino, before.get(name)!.mtime], name);
  }
});

Deno.test("a view shows the files that are plain, and drops the link of one that is no more", async () => {
  await using files = await makeStore();
  const view = `${files.root}/a/checkpoints/step-000003`;
  const { manifest } = await keep(files.store, "a", smallSnapshot());
  const { model, optimizer } = manifest.files;
  await Deno.remove(files.objects().get(model!.digest)!.path);
  await keep(fileSnapshotStore(files.root, { compress: "zstd" }), "a", smallSnapshot());
  assert.deepEqual(namesIn(view), ["manifest.json", "optimizer.safetensors"]);
  const { ino } = files.objects().get(optimizer!.digest)!;
  assert.equal(Deno.statSync(`${view}/optimizer.safetensors`).ino, ino);
});

for (
  const [from, to] of [
    ["none", "zstd"],
    ["zstd", "none"],
    ["zstd", "zstd"],
    ["zstd-delta", "none"],
    [
      "none",
      "zstd-delta",
    ],
  ] as const
) {
  Deno.test(`a file kept by ${from} that was damaged is healed by a store with ${to}`, async () => {
    await using files = await makeStore(from);
    const { id, manifest } = await keep(files.store, "a", smallSnapshot());
    const { digest } = manifest.files["model"]!;
    const name = from === "none" ? digest : `${digest}.zst`;
    const healer = fileSnapshotStore(files.root, { compress: to });
    const bytes = await Deno.readFile(files.objects().get(name)!.path);
    for (
      const damage of [bytes.with(-1, bytes.at(-1)! ^ 1), bytes.subarray(1), bytes.slice(0, 9)]
    ) {
      for (const file of files.objects().values()) {
        if (file.path.includes(digest)) await overwrite(file.path, damage);
      }
      assert.equal((await left(files.store.get(id))).type, "SnapshotDamaged");
      assert.equal((await keep(healer, "b", smallSnapshot())).id, id);
      assertSame(await right(files.store.get(id)), smallSnapshot());
      const forms = [...files.objects().keys()].filter((found) => found.startsWith(digest));
      assert.deepEqual(forms, [to === "none" ? digest : `${digest}.zst`]);
    }
  });
}

Deno.test("what is kept as a difference needs its base: who has it back, has all of its chain back", async () => {
  await using files = await makeStore("zstd-delta");
  const stored = [];
  for (let step = 1; step <= 4; step++) {
    stored.push(await keep(files.store, "a", drifting(step, 5000)));
  }
  const { path } = files.objects().get(`${stored[1]!.manifest.files["model"]!.digest}.zst`)!;
  const bytes = await Deno.readFile(path);
  for (const damage of ["gone", "changed"]) {
    if (damage === "gone") await Deno.remove(path);
    else await overwrite(path, bytes.with(200, bytes[200]! ^ 1));
    for (const { id } of stored.slice(1)) {
      const error = await left(files.store.get(id));
      assert.equal(error.type, damage === "gone" ? "SnapshotMissing" : "SnapshotDamaged");
      assert.ok("place" in error && path.startsWith(error.place), JSON.stringify(error));
    }
    assertSame(await right(files.store.get(stored[0]!.id)), drifting(1, 5000));
    await keep(files.reopen(), "b", drifting(2, 5000));
    for (const [index, { id }] of stored.entries()) {
      assertSame(await right(files.store.get(id)), drifting(index + 1, 5000));
    }
  }
});

Deno.test("nothing is kept as a difference from what is missing, damaged, or depends on it", async () => {
  await using files = await makeStore("zstd-delta");
  const first = await keep(files.store, "a", drifting(1, 5000));
  const second = await keep(files.store, "a", drifting(2, 5000)); // a difference from the first
  const digest = first.manifest.files["model"]!.digest;
  await Deno.remove(files.objects().get(`${digest}.zst`)!.path);
  await keep(files.store, "a", drifting(1, 5000)); // back again: not a difference from the second
  assert.equal(headerOf(files, digest).base, undefined);
  assertSame(await right(files.store.get(first.id)), drifting(1, 5000));
  assertSame(await right(files.store.get(second.id)), drifting(2, 5000));
  const { path } = files.objects().get(`${digest}.zst`)!;
  await overwrite(path, (await Deno.readFile(path)).with(130, 0x55));
  const third = await keep(files.store, "a", drifting(3, 5000));
  assert.equal(headerOf(files, third.manifest.files["model"]!.digest).base, undefined);
  assertSame(await right(files.store.get(third.id)), drifting(3, 5000));
});

Deno.test("an object of a newer compressed format stops whoever reads, stores or collects it", async () => {
  await using files = await makeStore("zstd");
  const { id, manifest } = await keep(files.store, "a", drifting(1, 5000));
  const { digest } = manifest.files["model"]!;
  const { path } = files.objects().get(`${digest}.zst`)!;
  const newer = await Deno.readFile(path);
  newer[8] = 2;
  newer.set(Uint8Array.fromHex(sha256(newer.subarray(0, 88))), 88);
  await overwrite(path, newer);
  const expected = { type: "NewerSnapshot", id, place: path, found: 2, known: 1 };
  assert.deepEqual(await left(files.store.get(id)), expected);
  const collected = await left(files.store.collect(() => TE.right(liveOnly([id]))));
  assert.deepEqual(collected, expected);
  for (const compress of ["zstd", "none"] as const) {
    const store = fileSnapshotStore(files.root, { compress });
    const refused = await left(store.put("a", drifting(1, 5000)));
    assert.match(describeSnapshotError(refused), /newer foldlog: compressed format 2.*update/);
    await Deno.writeTextFile(path.slice(0, -".zst".length), "a damaged plain one");
  }
  assert.deepEqual(await Deno.readFile(path), newer);
});

/** A snapshot, of more than a block unless told otherwise, of which a little changes from step to step. */
function drifting(step: number, length = 300_001): Snapshot {
  const w = Float32Array.from({ length }, (_, at) => Math.fround(Math.sin(at * at)) / 8);
  for (let at = 0; at < w.length; at += 50) w[at]! += step * 1e-3;
  return snapshotOf(step, { model: { w: floats(w), n: ints([step]) } });
}

function headerOf(files: FileFixture, digest: Digest): CompressedHeader {
  const bytes = Deno.readFileSync(files.objects().get(`${digest}.zst`)!.path);
  const header = decodeCompressedHeader(bytes);
  if (E.isLeft(header)) throw new Error(JSON.stringify(header.left));
  return header.right;
}

/** A reader of compressed objects that shares nothing with foldlog's but docs/format.md. */
async function readByTheBook(root: string, digest: Digest): Promise<Uint8Array> {
  const bytes = await Deno.readFile(`${root}/objects/${digest.slice(0, 2)}/${digest}.zst`);
  const view = new DataView(bytes.buffer);
  assert.equal(new TextDecoder().decode(bytes.subarray(0, 8)), "foldlogz");
  assert.equal(view.getUint32(8, true), 1);
  const plain = new Uint8Array(Number(view.getBigUint64(16, true)));
  const base = bytes.subarray(24, 56).toHex();
  assert.equal(bytes.subarray(56, 88).toHex(), sha256(bytes.subarray(120)));
  assert.equal(bytes.subarray(88, 120).toHex(), sha256(bytes.subarray(0, 88)));
  let at = COMPRESSED_HEADER_BYTES;
  for (let begin = 0; begin < plain.length; begin += 2 ** 20) {
    const length = view.getUint32(at, true);
    const planes = zstdDecompressSync(bytes.subarray(at + 4, at + 4 + length));
    const size = Math.min(2 ** 20, plain.length - begin);
    assert.equal(planes.length, size);
    const whole = size - size % 4;
    for (let index = 0; index < size; index++) {
      const from = index < whole ? (index % 4) * (whole / 4) + Math.floor(index / 4) : index;
      plain[begin + index] = planes[from]!;
    }
    at += 4 + length;
  }
  assert.equal(at, bytes.length);
  if (base === "0".repeat(64)) {
    assert.equal(view.getUint32(12, true), 0);
    return plain;
  }
  const below = await readByTheBook(root, base);
  assert.ok(view.getUint32(12, true) > 0);
  return plain.map((byte, index) => byte ^ below[index]!);
}
