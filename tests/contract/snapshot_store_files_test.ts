import assert from "node:assert/strict";
import { parseSafetensorsMetadata } from "@huggingface/hub";
import { sha256 } from "../../src/codec/digest.ts";
import type { Compression } from "../../src/adapters/file_objects/compression.ts";
import { bytesOf, type HostTensor } from "../../src/core/host_tensor.ts";
import { type Snapshot, SNAPSHOT_FORMAT, type SnapshotManifest } from "../../src/core/snapshot.ts";
import { assertSame, floats, oddSnapshot, snapshotOf } from "../../src/testing/sample_snapshots.ts";
import { keep, left, right } from "../../src/testing/snapshot_answers.ts";
import { makeStore, namesIn, overwrite, smallSnapshot } from "../support/snapshot_files.ts";
import { serveRanges } from "../support/serve_ranges.ts";

Deno.test("fileSnapshotStore() keeps each object once, under the digest of its bytes", async () => {
  await using files = await makeStore();
  const { id, manifest } = await keep(files.store, "a", oddSnapshot());
  const expected = [id, ...Object.values(manifest.files).map(({ digest }) => digest)].sort();
  const before = files.objects();
  assert.deepEqual([...before.keys()], expected);
  for (const [digest, { path }] of before) {
    assert.equal(sha256(await Deno.readFile(path)), digest);
    assert.equal(path, `${files.root}/objects/${digest.slice(0, 2)}/${digest}`);
  }
  await keep(files.store, "a", oddSnapshot());
  await keep(files.store, "b", oddSnapshot());
  assert.deepEqual([...files.objects().keys()], expected);
  for (const [digest, { ino, mtime }] of files.objects()) {
    const first = before.get(digest)!;
    assert.deepEqual([ino, mtime], [first.ino, first.mtime], "an object was written again");
  }
});

Deno.test("fileSnapshotStore() stores a group that did not change once, whatever run and store it is of", async () => {
  await using files = await makeStore();
  const frozen = () => ({ w: floats([1, 2, 3]), v: floats([4]) });
  const digests = new Set<string>();
  for (let step = 1; step <= 4; step++) {
    const store = step === 3 ? files.reopen() : files.store;
    const snapshot = snapshotOf(step, { model: frozen(), optimizer: { m: floats([step]) } });
    const { manifest } = await keep(store, step === 4 ? "b" : "a", snapshot);
    digests.add(manifest.files["model"]!.digest);
  }
  assert.equal(digests.size, 1);
  assert.equal(files.objects().size, 1 + 4 + 4);
});

for (const compress of ["none", "zstd", "zstd-delta"] as const) {
  Deno.test(`a group that did not change is not written again: ${compress} needs no leave to write`, async () => {
    await using files = await makeStore(compress);
    const stored = await keep(files.store, "a", snapshotOf(1, { base: frozenGroup(1) }));
    const { digest } = stored.manifest.files["base"]!;
    // The snapshot before: known to be the same, another one, or none that is known.
    for (const before of [stored.manifest.leaves, {}]) {
      assert.match(await storeWithoutLeave(files.root, compress, 1, before), new RegExp(digest));
    }
    assert.match(await storeWithoutLeave(files.root, compress, 2, {}), /NotCapable/);
    const { leaves } = stored.manifest;
    assert.match(await storeWithoutLeave(files.root, compress, 2, leaves), /NotCapable/);
  });
}

Deno.test("fileSnapshotStore() makes objects that nobody may write to", async () => {
  await using files = await makeStore();
  await keep(files.store, "a", oddSnapshot());
  for (const { mode } of files.objects().values()) {
    assert.equal(mode! & 0o777, 0o444 & ~umask(), mode!.toString(8));
  }
});

Deno.test("fileSnapshotStore() shows a checkpoint as links to the objects, nothing of its own", async () => {
  await using files = await makeStore();
  const { id, manifest } = await keep(files.store, "a", oddSnapshot());
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
  await keep(files.store, "a", oddSnapshot());
  for (const [group, tensors] of Object.entries(oddSnapshot().groups)) {
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
    await keep(files.store, "a", oddSnapshot());
    for (const [group, tensors] of Object.entries(oddSnapshot().groups)) {
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
  const { id } = await keep(files.store, "a", smallSnapshot());
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
  assertSame(await right(files.store.get(id)), smallSnapshot());
});

for (const part of ["the manifest", "model", "optimizer"]) {
  Deno.test(`fileSnapshotStore() finds that ${part} is cut short, longer, empty or gone`, async () => {
    await using files = await makeStore();
    const { id, manifest } = await keep(files.store, "a", smallSnapshot());
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
    const { id, manifest } = await keep(files.store, "a", smallSnapshot());
    const { path } = files.objects().get(manifest.files[part]?.digest ?? id)!;
    for (const damage of [() => overwrite(path, Uint8Array.of(1)), () => Deno.remove(path)]) {
      await damage();
      assert.deepEqual((await keep(files.store, "a", smallSnapshot())).id, id);
      assertSame(await right(files.store.get(id)), smallSnapshot());
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
  const { id } = await keep(files.store, "a", smallSnapshot());
  const { path } = files.objects().get(id)!;
  await overwrite(path, (await Deno.readFile(path)).with(5, 0));
  for (const listed of await right(files.store.list())) assert.equal(listed, id);
});

Deno.test("list() still names a snapshot when another of its run and step was stored", async () => {
  await using files = await makeStore();
  const other = snapshotOf(smallSnapshot().step, { model: { w: floats([5]) } });
  const ids = [];
  for (const snapshot of [smallSnapshot(), other]) {
    ids.push((await keep(files.store, "a", snapshot)).id);
  }
  for (const id of ids) await right(files.store.get(id));
  assert.deepEqual(await right(files.store.list()), ids.sort());
});

Deno.test("fileSnapshotStore() gives a snapshot though its view is gone or foreign files are in it", async () => {
  await using files = await makeStore();
  const { id } = await keep(files.store, "a", smallSnapshot());
  const view = `${files.root}/a/checkpoints/step-000003`;
  await Deno.writeTextFile(`${view}/notes.txt`, "mine");
  await Deno.remove(`${view}/model.safetensors`);
  await Deno.writeTextFile(`${view}/model.safetensors`, "somebody's");
  assertSame(await right(files.store.get(id)), smallSnapshot());
  await keep(files.store, "a", smallSnapshot());
  assert.equal(files.objects().size, 3);
  assert.equal(Deno.readTextFileSync(`${view}/notes.txt`), "mine");
  assert.notEqual(Deno.readTextFileSync(`${view}/model.safetensors`), "somebody's");
  await Deno.remove(`${files.root}/a`, { recursive: true });
  assertSame(await right(files.store.get(id)), smallSnapshot());
});

Deno.test("what a crash left under a temporary name disturbs nothing", async () => {
  await using files = await makeStore();
  const { id } = await keep(files.store, "a", smallSnapshot());
  for (const { path } of files.objects().values()) {
    const half = (await Deno.readFile(path)).subarray(0, 9);
    await Deno.writeFile(path.replace(/[^/]+$/, `.tmp-${crypto.randomUUID()}`), half);
  }
  await Deno.mkdir(`${files.root}/a/checkpoints/.tmp-1`);
  await Deno.writeTextFile(`${files.root}/objects/.tmp-2`, "");
  assertSame(await right(files.store.get(id)), smallSnapshot());
  assert.deepEqual(await right(files.store.list()), [id]);
  assert.equal((await keep(files.store, "a", smallSnapshot())).id, id);
});

for (const [compress, written] of [["none", 2], ["zstd", 1]] as const) {
  Deno.test(`an object has its name only when all of its bytes are there (${compress}, ${written})`, async () => {
    await using files = await makeStore(compress);
    // Noise, long enough to be seen half written; the second time it is written while it is digested.
    const noise = () =>
      floats(Float32Array.from({ length: 2 ** 21 }, (_, at) => Math.sin(at ** 2)));
    const of = (step: number) => snapshotOf(step, { model: { noise: noise(), n: floats([step]) } });
    for (let step = 1; step < written; step++) await keep(files.store, "a", of(step));
    const seen: (readonly [string, number])[] = [];
    let done = false;
    const putting = keep(files.store, "a", of(written)).finally(() => done = true);
    while (!done) {
      await new Promise((resolve) => setTimeout(resolve));
      seen.push(...sizesIn(`${files.root}/objects`));
    }
    await putting;
    const sizes = new Map([...files.objects()].map(([name, { size }]) => [name, size]));
    for (const [name, size] of seen) {
      if (!name.startsWith(".tmp-")) assert.equal(size, sizes.get(name), name);
    }
    assert.ok(seen.some(([name]) => name.startsWith(".tmp-")), "nothing was seen of the writing");
  });
}

Deno.test("fileSnapshotStore() leaves no temporary file behind", async () => {
  for (const compress of ["none", "zstd", "zstd-delta"] as const) {
    await using files = await makeStore(compress);
    for (let times = 0; times < 3; times++) {
      await keep(files.store, "a", oddSnapshot());
      await keep(files.store, "a", smallSnapshot());
    }
    for (const directory of namesIn(`${files.root}/objects`)) {
      assert.match(directory, /^([0-9a-f]{2}|lock)$/);
      for (const name of namesIn(`${files.root}/objects/${directory}`)) {
        assert.match(name, /^[0-9a-f]{64}(\.zst)?$/);
      }
    }
  }
});

Deno.test("fileSnapshotStore() says that a snapshot is of a newer format", async () => {
  await using files = await makeStore();
  const bytes = new TextEncoder().encode(JSON.stringify({ format: 3, whatever: true }));
  const id = sha256(bytes);
  await Deno.mkdir(`${files.root}/objects/${id.slice(0, 2)}`, { recursive: true });
  const place = `${files.root}/objects/${id.slice(0, 2)}/${id}`;
  await Deno.writeFile(place, bytes);
  const expected = { type: "NewerSnapshot", id, place, found: 3, known: SNAPSHOT_FORMAT };
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
  const error = await left(files.store.put("a", smallSnapshot()));
  assert.ok(error.type === "SnapshotsUnavailable", JSON.stringify(error));
  assert.ok(error.place.startsWith(files.root), error.place);
  assert.match(error.action, /store/);
});

Deno.test("fileSnapshotStore() refuses ids that are none", async () => {
  await using files = await makeStore();
  await Deno.mkdir(files.root);
  for (const run of ["../x", "..", "", "a/b", "objects", "a\0b"]) {
    await assert.rejects(keep(files.store, run, smallSnapshot()));
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
    const hostile: Snapshot = { ...smallSnapshot(), groups: { [group]: new Map() } };
    await files.store.put("a", hostile)().catch(() => undefined);
  }
  assert.ok(namesIn(files.parent).every((name) => name === "runs"));
  const view = namesIn(`${files.root}/a/checkpoints`);
  assert.ok(view.every((name) => name.startsWith("step-")), view.join());
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

/** The sizes of the files in and below `objects/`, by name, while they are written. */
function sizesIn(path: string): readonly (readonly [string, number])[] {
  return namesIn(path).flatMap((name) => {
    try {
      const { isFile, size } = Deno.statSync(`${path}/${name}`);
      if (name === "lock") return [];
      return isFile ? [[name, size] as const] : sizesIn(`${path}/${name}`);
    } catch {
      return []; // it has another name by now
    }
  });
}

/** A group of which one tensor tells one `version` from another. */
function frozenGroup(version: number): Record<string, HostTensor> {
  return { w: floats(new Float32Array(1000).fill(0.5)), v: floats([version]) };
}

/** Stores such a group in a process that may read but not write, and gives what it prints. */
async function storeWithoutLeave(
  root: string,
  compress: Compression,
  version: number,
  leaves: SnapshotManifest["leaves"],
): Promise<string> {
  const source = new URL("../../src/", import.meta.url).href;
  const script = `
    import { storeGroup } from "${source}adapters/file_objects/group_file.ts";
    import { groupLayout } from "${source}codec/snapshot_codec.ts";
    import { floats } from "${source}testing/sample_snapshots.ts";
    const leaves = ${JSON.stringify(leaves)};
    const v = floats([${version}]);
    const group = new Map([["w", floats(new Float32Array(1000).fill(0.5))], ["v", v]]);
    const hints = {
      compress: "${compress}",
      digestBefore: (tensor) => leaves["base/" + tensor],
    };
    const { ref, durable } = await storeGroup(${JSON.stringify(root)}, groupLayout(group), hints);
    await durable;
    console.log(ref.digest);
  `;
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--no-prompt", "--allow-read", "--allow-env", "-c", config, "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(script));
  await input.close();
  const { stdout, stderr } = await child.output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
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
