import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { fileStore } from "../../src/adapters/file_store.ts";
import { memoryStore } from "../../src/adapters/memory/memory_store.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";
import { sha256 } from "../../src/codec/digest.ts";
import { sourceStoreContract } from "../../src/testing/source_store_contract.ts";
import { namesIn, overwrite } from "../support/snapshot_files.ts";
import { withFileMethod } from "../support/temporary_log.ts";

sourceStoreContract(
  "memorySourceStore()",
  () => Promise.resolve({ store: memoryStore(), [Symbol.asyncDispose]: () => Promise.resolve() }),
);

sourceStoreContract("fileSourceStore()", async () => {
  const parent = await Deno.makeTempDir();
  const root = `${parent}/made/when/needed`;
  return {
    store: fileStore(root),
    reopen: () => fileStore(root),
    [Symbol.asyncDispose]: () => Deno.remove(parent, { recursive: true }),
  };
});

const FILE = new TextEncoder().encode("a file");
const PLACE = `objects/${sha256(FILE).slice(0, 2)}/${sha256(FILE)}`;

Deno.test("fileSourceStore() keeps a file as it is, for good, and under its digest alone", async () => {
  await using files = await fileRoot();
  (await orThrow(files.sources.put([FILE, FILE]))).release();
  assert.deepEqual(await Deno.readFile(`${files.root}/${PLACE}`), FILE);
  const { mode, ino } = await Deno.stat(`${files.root}/${PLACE}`);
  assert.equal(mode! & 0o777, 0o444);
  (await orThrow(files.sources.put([FILE]))).release();
  assert.equal((await Deno.stat(`${files.root}/${PLACE}`)).ino, ino, "it was written twice");
  assert.deepEqual(namesIn(`${files.root}/objects`), [sha256(FILE).slice(0, 2), "lock"]);
});

Deno.test("fileSourceStore() tells what is damaged, and put() mends it", async () => {
  await using files = await fileRoot();
  (await orThrow(files.sources.put([FILE]))).release();
  await overwrite(`${files.root}/${PLACE}`, FILE.with(0, 0));
  const found = await files.sources.get(sha256(FILE))();
  assert.ok(E.isLeft(found) && found.left.type === "SourceDamaged", JSON.stringify(found));
  assert.match(found.left.reason, /its digest is/);
  (await orThrow(files.sources.put([FILE]))).release();
  assert.deepEqual(await orThrow(files.sources.get(sha256(FILE))), FILE);
});

Deno.test("fileSourceStore() leaves nothing behind and locks nobody out where the disk refuses", async () => {
  await using files = await fileRoot();
  const other = new TextEncoder().encode("another file");
  (await orThrow(files.sources.put([other]))).release();
  const before = namesIn(`${files.root}/objects`);
  {
    using _ = withFileMethod(
      "sync",
      () => () =>
        Promise.reject(new Deno.errors.Interrupted("No space left on device (os error 28)")),
    );
    const refused = await files.sources.put([FILE, new Uint8Array(3)])();
    assert.ok(E.isLeft(refused) && refused.left.type === "SourcesUnavailable");
    assert.match(refused.left.reason, /No space left/);
  }
  assert.deepEqual(namesIn(`${files.root}/objects`), before);
  const nothing = { snapshots: new Set<string>(), sources: new Set<string>() };
  const collecting = files.snapshots.collect(() => () => Promise.resolve(E.right(nothing)));
  assert.deepEqual(await orThrow(collecting), { objects: 1, bytes: other.length });
});

async function fileRoot() {
  const parent = await Deno.makeTempDir();
  const root = `${parent}/runs`;
  return {
    ...fileStore(root),
    root,
    [Symbol.asyncDispose]: () => Deno.remove(parent, { recursive: true }),
  };
}
