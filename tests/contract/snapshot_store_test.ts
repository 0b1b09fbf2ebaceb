import assert from "node:assert/strict";
import { parseSafetensorsMetadata } from "@huggingface/hub";
import { fileSnapshotStore } from "../../src/adapters/file_snapshot_store.ts";
import { memorySnapshotStore } from "../../src/adapters/memory_snapshot_store.ts";
import { sha256 } from "../../src/codec/digest.ts";
import { bytesOf } from "../../src/core/host_tensor.ts";
import type { Snapshot, SnapshotManifest } from "../../src/core/snapshot.ts";
import type { StoredSnapshot } from "../../src/ports/snapshot_store.ts";
import {
  assertSame,
  floats,
  left,
  oddSnapshot,
  right,
  snapshotOf,
  snapshotStoreContract,
} from "./snapshot_store_contract.ts";

snapshotStoreContract("memorySnapshotStore()", () =>
  Promise.resolve({
    store: memorySnapshotStore(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));

snapshotStoreContract("fileSnapshotStore()", makeStore);

Deno.test("fileSnapshotStore() keeps each object once, under the digest of its bytes", async () => {
  await using files = await makeStore();
  const { id, manifest } = await right(files.store.put("a", oddSnapshot));
  const expected = [id, ...Object.values(manifest.files).map(({ digest }) => digest)].sort();
  const before = files.objects();
  assert.deepEqual([...before.keys()], expected);
  for (const [digest, { path }] of before) {
    assert.equal(sha256(await Deno.readFile(path)), digest);
    assert.equal(path, `${files.root}/objects/${digest.slice(0, 2)}/${digest}`);
  }
  await right(files.store.put("a", oddSnapshot));
  await right(files.store.put("b", oddSnapshot));
  assert.deepEqual([...files.objects().keys()], expected);
  for (const [digest, { ino, mtime }] of files.objects()) {
    const first = before.get(digest)!;
    assert.deepEqual([ino, mtime], [first.ino, first.mtime], "an object was written again");
  }
});

Deno.test("fileSnapshotStore() stores a group that did not change once", async () => {
  await using files = await makeStore();
  const frozen = { w: floats([1, 2, 3]) };
  const stored: StoredSnapshot[] = [];
  for (let step = 1; step <= 4; step++) {
    const snapshot = snapshotOf(step, { model: frozen, optimizer: { m: floats([step]) } });
    stored.push(await right(files.store.put("a", snapshot)));
  }
  assert.equal(new Set(stored.map(({ manifest }) => manifest.files["model"]!.digest)).size, 1);
  assert.equal(files.objects().size, 1 + 4 + 4);
});

Deno.test("fileSnapshotStore() makes objects that nobody may write to", async () => {
  await using files = await makeStore();
  await right(files.store.put("a", oddSnapshot));
  for (const { mode } of files.objects().values()) {
    assert.equal(mode! & 0o777, 0o444 & ~umask(), mode!.toString(8));
  }
});

Deno.test("fileSnapshotStore() shows a checkpoint as links to the objects, nothing of its own", async () => {
  await using files = await makeStore();
  const { id, manifest } = await right(files.store.put("a", oddSnapshot));
  const view = `${files.root}/a/checkpoints/step-000003`;
  const digests: Record<string, string> = { "manifest.json": id };
  for (const [group, { digest }] of Object.entries(manifest.files)) {
    digests[`${group}.safetensors`] = digest;
  }
  assert.deepEqual(namesIn(view), Object.keys(digests).sort());
  for (const [name, digest] of Object.entries(digests)) {
    assert.equal(Deno.statSync(`${view}/${name}`).ino, files.objects().get(digest)!.ino, name);
  }
  const parsed: SnapshotManifest = JSON.parse(Deno.readTextFileSync(`${view}/manifest.json`));
  assert.deepEqual(parsed, manifest);
});

Deno.test("the safetensors files of a checkpoint open in @huggingface/hub's parser", async () => {
  await using files = await makeStore();
  await right(files.store.put("a", oddSnapshot));
  for (const [group, tensors] of Object.entries(oddSnapshot.groups)) {
    const name = `${group}.safetensors`;
    const bytes = await Deno.readFile(`${files.root}/a/checkpoints/step-000003/${name}`);
    const fetch = serveRanges(bytes);
    const parsed = await parseSafetensorsMetadata({ repo: "local/model", path: name, fetch });
    assert.ok(!parsed.sharded);
    const { __metadata__: _, ...entries } = parsed.header;
    const found = Object.entries(entries).map(([path, { dtype, shape }]) => [path, dtype, shape]);
    const expected = [...tensors].map(([path, { dtype, shape }]) => [
      path,
      dtype === "float32" ? "F32" : "I32",
      shape,
    ]);
    assert.deepEqual(found.sort(), expected.sort());
  }
});

Deno.test({
  name:
    "the safetensors files of a checkpoint hold the tensors' bytes for Python's json and struct",
  ignore: !pythonAvailable(),
  async fn() {
    await using files = await makeStore();
    await right(files.store.put("a", oddSnapshot));
    for (const [group, tensors] of Object.entries(oddSnapshot.groups)) {
      const path = `${files.root}/a/checkpoints/step-000003/${group}.safetensors`;
      const { stdout } = await new Deno.Command("python3", { args: ["-c", PYTHON_READER, path] })
        .output();
      const expected = [...tensors].map(([name, tensor]) => [name, {
        dtype: tensor.dtype === "float32" ? "F32" : "I32",
        shape: [...tensor.shape],
        hex: [...bytesOf(tensor)].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
      }]);
      assert.deepEqual(
        JSON.parse(new TextDecoder().decode(stdout)),
        Object.fromEntries(expected),
      );
    }
  },
});

Deno.test("fileSnapshotStore() finds a flipped bit in every byte of every object", async () => {
  await using files = await makeStore();
  const { id } = await right(files.store.put("a", smallSnapshot));
  for (const { path } of files.objects().values()) {
    const bytes = await Deno.readFile(path);
    for (let at = 0; at < bytes.length; at++) {
      await overwrite(path, bytes.with(at, bytes[at]! ^ (1 << (at % 8))));
      const error = await left(files.store.get(id));
      const text = `byte ${at} of ${path}: ${JSON.stringify(error)}`;
      assert.ok(error.type === "SnapshotDamaged", text);
      assert.deepEqual([error.id, error.place], [id, path], text);
      assert.match(error.reason, /\S/);
    }
    await overwrite(path, bytes);
  }
  assertSame(await right(files.store.get(id)), smallSnapshot);
});

for (const part of ["the manifest", "model", "optimizer"]) {
  Deno.test(`fileSnapshotStore() finds that ${part} is cut short, longer, empty or gone`, async () => {
    await using files = await makeStore();
    const { id, manifest } = await right(files.store.put("a", smallSnapshot));
    const { path } = files.objects().get(manifest.files[part]?.digest ?? id)!;
    const bytes = await Deno.readFile(path);
    for (const changed of [bytes.slice(0, -1), new Uint8Array(0), Uint8Array.of(...bytes, 0)]) {
      await overwrite(path, changed);
      const error = await left(files.store.get(id));
      assert.ok(error.type === "SnapshotDamaged" && error.place === path, JSON.stringify(error));
    }
    await Deno.remove(path);
    assert.deepEqual(await left(files.store.get(id)), { type: "SnapshotMissing", id, place: path });
  });

  Deno.test(`fileSnapshotStore() is healed by storing a snapshot again whose ${part} was damaged`, async () => {
    await using files = await makeStore();
    const { id, manifest } = await right(files.store.put("a", smallSnapshot));
    const { path } = files.objects().get(manifest.files[part]?.digest ?? id)!;
    for (const damage of [() => overwrite(path, Uint8Array.of(1)), () => Deno.remove(path)]) {
      await damage();
      assert.deepEqual((await right(files.store.put("a", smallSnapshot))).id, id);
      assertSame(await right(files.store.get(id)), smallSnapshot);
      assert.deepEqual(await right(files.store.list()), [id]);
      for (const [digest, object] of files.objects()) {
        assert.equal(sha256(await Deno.readFile(object.path)), digest);
        assert.equal(object.nlink, 2, "the view shows the healed object");
      }
    }
  });
}

Deno.test("list() names only snapshots that are there, though a manifest is damaged", async () => {
  await using files = await makeStore();
  const { id } = await right(files.store.put("a", smallSnapshot));
  const { path } = files.objects().get(id)!;
  await overwrite(path, (await Deno.readFile(path)).with(5, 0));
  for (const listed of await right(files.store.list())) assert.equal(listed, id);
});

Deno.test("list() still names a snapshot when another of its run and step was stored", async () => {
  await using files = await makeStore();
  const other = snapshotOf(smallSnapshot.step, { model: { w: floats([5]) } });
  const ids = [];
  for (const snapshot of [smallSnapshot, other]) {
    ids.push((await right(files.store.put("a", snapshot))).id);
  }
  for (const id of ids) await right(files.store.get(id));
  assert.deepEqual(await right(files.store.list()), ids.sort());
});

Deno.test("fileSnapshotStore() gives a snapshot though its view is gone or foreign files are in it", async () => {
  await using files = await makeStore();
  const { id } = await right(files.store.put("a", smallSnapshot));
  const view = `${files.root}/a/checkpoints/step-000003`;
  await Deno.writeTextFile(`${view}/notes.txt`, "mine");
  await Deno.remove(`${view}/model.safetensors`);
  await Deno.writeTextFile(`${view}/model.safetensors`, "somebody's");
  assertSame(await right(files.store.get(id)), smallSnapshot);
  await right(files.store.put("a", smallSnapshot));
  assert.equal(files.objects().size, 3);
  assert.equal(Deno.readTextFileSync(`${view}/notes.txt`), "mine");
  assert.notEqual(Deno.readTextFileSync(`${view}/model.safetensors`), "somebody's");
  await Deno.remove(`${files.root}/a`, { recursive: true });
  assertSame(await right(files.store.get(id)), smallSnapshot);
});

Deno.test("what a crash left under a temporary name disturbs nothing", async () => {
  await using files = await makeStore();
  const { id } = await right(files.store.put("a", smallSnapshot));
  for (const { path } of files.objects().values()) {
    const half = (await Deno.readFile(path)).subarray(0, 9);
    await Deno.writeFile(path.replace(/[^/]+$/, `.tmp-${crypto.randomUUID()}`), half);
  }
  await Deno.mkdir(`${files.root}/a/checkpoints/.tmp-1`);
  await Deno.writeTextFile(`${files.root}/objects/.tmp-2`, "");
  assertSame(await right(files.store.get(id)), smallSnapshot);
  assert.deepEqual(await right(files.store.list()), [id]);
  assert.equal((await right(files.store.put("a", smallSnapshot))).id, id);
});

Deno.test("an object has its name only when all of its bytes are there", async () => {
  await using files = await makeStore();
  const many = floats(new Float32Array(8 * 2 ** 20).fill(1)); // long enough to be seen half written
  let seen: readonly (readonly [string, number])[] = [];
  let stored: StoredSnapshot | undefined;
  const putting = right(files.store.put("a", snapshotOf(1, { model: { many } })))
    .then((answer) => stored = answer);
  while (stored === undefined) {
    await new Promise((resolve) => setTimeout(resolve));
    seen = [...seen, ...sizesIn(`${files.root}/objects`)];
  }
  await putting;
  const sizes = new Map([...files.objects()].map(([name, { size }]) => [name, size]));
  for (const [name, size] of seen) {
    if (!name.startsWith(".tmp-")) assert.equal(size, sizes.get(name), name);
  }
  assert.ok(seen.some(([name]) => name.startsWith(".tmp-")), "nothing was seen of the writing");
});

Deno.test("fileSnapshotStore() leaves no temporary file behind", async () => {
  await using files = await makeStore();
  await right(files.store.put("a", oddSnapshot));
  for (const directory of namesIn(`${files.root}/objects`)) {
    for (const name of namesIn(`${files.root}/objects/${directory}`)) {
      assert.match(name, /^[0-9a-f]{64}$/);
    }
  }
});

Deno.test("fileSnapshotStore() says that a snapshot is of a newer format", async () => {
  await using files = await makeStore();
  const bytes = new TextEncoder().encode(JSON.stringify({ format: 2, whatever: true }));
  const id = sha256(bytes);
  await Deno.mkdir(`${files.root}/objects/${id.slice(0, 2)}`, { recursive: true });
  await Deno.writeFile(`${files.root}/objects/${id.slice(0, 2)}/${id}`, bytes);
  const expected = { type: "NewerSnapshot", id, found: 2, known: 1 };
  assert.deepEqual(await left(files.store.get(id)), expected);
  assert.deepEqual(await left(files.store.manifest(id)), expected);
});

Deno.test("fileSnapshotStore() refuses an object whose digest fits and that is no manifest", async () => {
  await using files = await makeStore();
  for (const text of ["", "{}", "null", "no JSON", '{"format":1}', "\xff"]) {
    const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    const id = sha256(bytes);
    await Deno.mkdir(`${files.root}/objects/${id.slice(0, 2)}`, { recursive: true });
    await Deno.writeFile(`${files.root}/objects/${id.slice(0, 2)}/${id}`, bytes);
    assert.equal((await left(files.store.get(id))).type, "SnapshotDamaged", text);
  }
});

Deno.test("fileSnapshotStore() says where it cannot write", async () => {
  await using files = await makeStore();
  await Deno.mkdir(files.root);
  await Deno.writeTextFile(`${files.root}/objects`, "in the way");
  const error = await left(files.store.put("a", smallSnapshot));
  assert.ok(error.type === "SnapshotsUnavailable", JSON.stringify(error));
  assert.ok(error.place.startsWith(files.root), error.place);
  assert.match(error.action, /store/);
});

Deno.test("fileSnapshotStore() refuses ids that are none", async () => {
  await using files = await makeStore();
  await Deno.mkdir(files.root);
  for (const run of ["../x", "..", "", "a/b", "objects", "a\0b"]) {
    await assert.rejects(right(files.store.put(run, smallSnapshot)));
  }
  for (const id of ["../x", "", "..", "A".repeat(64), `${"a".repeat(63)}/`]) {
    await assert.rejects(right(files.store.get(id)));
    await assert.rejects(right(files.store.manifest(id)));
  }
  assert.deepEqual(namesIn(files.parent), ["runs"]);
  assert.ok(namesIn(files.root).every((name) => name === "objects"));
});

Deno.test("fileSnapshotStore() writes nothing outside its directory, whatever a group is called", async () => {
  await using files = await makeStore();
  for (const group of ["../out", "../../../../out"]) {
    const hostile: Snapshot = { ...smallSnapshot, groups: { [group]: new Map() } };
    await files.store.put("a", hostile)().catch(() => undefined);
  }
  assert.ok(namesIn(files.parent).every((name) => name === "runs"));
  const view = existing(`${files.root}/a/checkpoints`);
  assert.ok(view.every((name) => name.startsWith("step-")), view.join());
});

const smallSnapshot = snapshotOf(3, {
  model: { w: floats([1, -2]) },
  optimizer: { m: floats([NaN]) },
});

const PYTHON_READER = `
import json, struct, sys
data = open(sys.argv[1], "rb").read()
(length,) = struct.unpack("<Q", data[:8])
header = json.loads(data[8 : 8 + length])
header.pop("__metadata__", None)
body = data[8 + length :]
print(json.dumps({
    name: {"dtype": e["dtype"], "shape": e["shape"], "hex": body[slice(*e["data_offsets"])].hex()}
    for name, e in header.items()
}))
`;

interface FileFixture extends AsyncDisposable {
  readonly parent: string;
  readonly root: string;
  readonly store: ReturnType<typeof fileSnapshotStore>;
  readonly reopen: () => ReturnType<typeof fileSnapshotStore>;
  /** The objects on disk, sorted by name. */
  readonly objects: () => ReadonlyMap<string, Deno.FileInfo & { readonly path: string }>;
}

/** An empty store in a directory of its own, which is removed in the end. */
async function makeStore(): Promise<FileFixture> {
  const parent = await Deno.makeTempDir();
  const root = `${parent}/runs`;
  return {
    parent,
    root,
    store: fileSnapshotStore(root),
    reopen: () => fileSnapshotStore(root),
    objects: () => objectsIn(`${root}/objects`),
    [Symbol.asyncDispose]: () => Deno.remove(parent, { recursive: true }),
  };
}

function objectsIn(path: string): ReadonlyMap<string, Deno.FileInfo & { readonly path: string }> {
  const found = namesIn(path).flatMap((directory) =>
    namesIn(`${path}/${directory}`).map((name) => `${path}/${directory}/${name}`)
  );
  return new Map(
    found.map((path) => [path.slice(path.lastIndexOf("/") + 1), { ...Deno.statSync(path), path }]),
  );
}

function namesIn(path: string): readonly string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

function existing(path: string): readonly string[] {
  try {
    return namesIn(path);
  } catch {
    return [];
  }
}

/** The sizes of the files of an object directory, by name, while it is written to. */
function sizesIn(path: string): readonly (readonly [string, number])[] {
  return existing(path).flatMap((directory) =>
    existing(`${path}/${directory}`).flatMap((name) => {
      try {
        return [[name, Deno.statSync(`${path}/${directory}/${name}`).size] as const];
      } catch {
        return []; // it has another name by now
      }
    })
  );
}

/** Changes a file's bytes in place, as a failing disk would: its links show them too. */
async function overwrite(path: string, bytes: Uint8Array): Promise<void> {
  await Deno.chmod(path, 0o644);
  await Deno.writeFile(path, bytes);
  await Deno.chmod(path, 0o444);
}

/** The mode bits that this process takes from the files it makes. */
function umask(): number {
  const path = Deno.makeTempDirSync();
  try {
    Deno.openSync(`${path}/file`, { create: true, write: true, mode: 0o777 }).close();
    return ~Deno.statSync(`${path}/file`).mode! & 0o777;
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

function pythonAvailable(): boolean {
  try {
    return new Deno.Command("python3", { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
}

/** A `fetch` that answers every request with these bytes, in part where a range is asked for. */
function serveRanges(bytes: Uint8Array<ArrayBuffer>): typeof fetch {
  return (_, init) => {
    const range = /^bytes=(\d+)-(\d+)$/.exec(new Headers(init?.headers).get("range") ?? "");
    const begin = Number(range?.[1] ?? 0);
    const end = range === null ? bytes.length : Number(range[2]) + 1;
    const headers = {
      ETag: '"local"',
      "Content-Range": `bytes ${begin}-${end - 1}/${bytes.length}`,
    };
    return Promise.resolve(new Response(bytes.slice(begin, end), { status: 206, headers }));
  };
}
