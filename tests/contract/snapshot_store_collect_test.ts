import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { sha256 } from "../../src/codec/digest.ts";
import type { SnapshotId } from "../../src/core/snapshot.ts";
import { assertSame, floats, snapshotOf } from "../../src/testing/sample_snapshots.ts";
import { keep, left, liveOnly, right } from "../../src/testing/snapshot_answers.ts";
import { makeStore, namesIn, overwrite, smallSnapshot } from "../support/snapshot_files.ts";

const repository = new URL("../../", import.meta.url).pathname;

Deno.test("collect() counts the files and bytes that it takes from the disk", async () => {
  await using files = await makeStore();
  const kept = await keep(files.store, "a", stepSnapshot(1));
  const before = files.objects();
  await keep(files.store, "a", stepSnapshot(2));
  const added = [...files.objects()].filter(([name]) => !before.has(name));
  const { objects, bytes } = await right(files.store.collect(naming(kept.id)));
  assert.equal(objects, added.length);
  assert.equal(bytes, added.reduce((sum, [, { size }]) => sum + size, 0));
  assert.deepEqual([...files.objects().keys()], [...before.keys()]);
});

Deno.test("collect() removes what crashes left behind, and leaves foreign files alone", async () => {
  await using files = await makeStore();
  const { id } = await keep(files.store, "a", smallSnapshot());
  const objects = `${files.root}/objects`;
  const [directory] = namesIn(objects);
  const dead = [`${objects}/.tmp-1`, `${objects}/${directory}/.tmp-2`];
  const foreign = [
    `${objects}/notes.txt`,
    `${objects}/${directory}/notes.txt`,
    `${objects}/${directory}/${"g".repeat(64)}`,
    `${objects}/${directory}/${directory}${"0".repeat(62)}.txt`,
    `${objects}/${directory}/${directory === "ff" ? "00" : "ff"}${"0".repeat(62)}`, // misplaced
    `${objects}/${"0".repeat(64)}`,
    `${files.root}/a/.tmp-3`,
  ];
  for (const path of [...dead, ...foreign]) await Deno.writeTextFile(path, "12345");
  await Deno.mkdir(`${objects}/zz`);
  await Deno.writeTextFile(`${objects}/zz/.tmp-4`, "");
  assert.deepEqual(await right(files.store.collect(naming(id), { dryRun: true })), {
    objects: 2,
    bytes: 10,
  });
  for (const path of [...dead, ...foreign]) assert.equal(Deno.readTextFileSync(path), "12345");
  assert.deepEqual(await right(files.store.collect(naming(id))), { objects: 2, bytes: 10 });
  for (const path of dead) await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  for (const path of foreign) assert.equal(Deno.readTextFileSync(path), "12345");
  assert.ok(Deno.statSync(`${objects}/zz/.tmp-4`).isFile);
  assertSame(await right(files.store.get(id)), smallSnapshot());
});

Deno.test("collect() keeps the bases of what is live, and theirs", async () => {
  await using files = await makeStore("zstd-delta");
  const stored = [];
  for (let step = 1; step <= 5; step++) {
    stored.push(await keep(files.store, "a", stepSnapshot(step)));
  }
  const live = stored[2]!.id;
  const { objects } = await right(files.store.collect(naming(live)));
  assert.equal(objects, 4 + 2, "four manifests, and what came after the live one");
  assertSame(await right(files.reopen().get(live)), stepSnapshot(3));
  assert.deepEqual(await right(files.store.list()), [live]);
});

for (const dryRun of [true, false]) {
  Deno.test(`collect() removes nothing where a live manifest is damaged, and names it (dryRun ${dryRun})`, async () => {
    await using files = await makeStore();
    const live = await keep(files.store, "a", stepSnapshot(1));
    await keep(files.store, "a", stepSnapshot(2));
    const { path } = files.objects().get(live.id)!;
    const bytes = await Deno.readFile(path);
    const before = [...files.objects().keys()];
    for (const damaged of [bytes.with(9, bytes[9]! ^ 1), new Uint8Array(0)]) {
      await overwrite(path, damaged);
      const error = await left(files.store.collect(naming(live.id), { dryRun }));
      assert.ok(error.type === "SnapshotDamaged", JSON.stringify(error));
      assert.deepEqual([error.id, error.place], [live.id, path]);
      assert.deepEqual([...files.objects().keys()], before);
    }
    await keep(files.store, "a", stepSnapshot(1)); // mends it, and nobody holds the lock
    assert.equal((await right(files.store.collect(naming(live.id), { dryRun }))).objects, 2);
  });
}

Deno.test("collect() removes nothing where a live manifest is of a newer format", async () => {
  await using files = await makeStore();
  await keep(files.store, "a", stepSnapshot(1));
  const bytes = new TextEncoder().encode('{"format":3}');
  const id = sha256(bytes);
  await Deno.mkdir(`${files.root}/objects/${id.slice(0, 2)}`, { recursive: true });
  const place = `${files.root}/objects/${id.slice(0, 2)}/${id}`;
  await Deno.writeFile(place, bytes);
  const error = await left(files.store.collect(naming(id)));
  assert.deepEqual(error, { type: "NewerSnapshot", id, place, found: 3, known: 2 });
  assert.equal(files.objects().size, 3);
});

Deno.test("collect() removes nothing where the header of a live file is damaged", async () => {
  await using files = await makeStore("zstd-delta");
  await keep(files.store, "a", stepSnapshot(1));
  const live = await keep(files.store, "a", stepSnapshot(2));
  const { path } = files.objects().get(`${live.manifest.files["model"]!.digest}.zst`)!;
  const bytes = await Deno.readFile(path);
  const before = [...files.objects().keys()];
  for (const at of [0, 8, 12, 16, 24, 55, 56, 88, 119]) {
    await overwrite(path, bytes.with(at, bytes[at]! ^ 4));
    const error = await left(files.store.collect(naming(live.id)));
    assert.ok(error.type === "SnapshotDamaged", JSON.stringify(error));
    assert.deepEqual([error.id, error.place], [live.id, path]);
  }
  assert.deepEqual([...files.objects().keys()], before);
});

Deno.test("collect() goes on where a live snapshot's manifest is missing: nothing leads to its files", async () => {
  await using files = await makeStore();
  const lost = await keep(files.store, "a", stepSnapshot(1));
  const live = await keep(files.store, "a", stepSnapshot(2));
  await Deno.remove(files.objects().get(lost.id)!.path);
  const { objects } = await right(files.store.collect(naming(lost.id, live.id)));
  assert.equal(objects, 1);
  assertSame(await right(files.store.get(live.id)), stepSnapshot(2));
});

Deno.test("collect() removes manifests before the files that they name", async () => {
  await using files = await makeStore();
  for (let step = 1; step <= 8; step++) await keep(files.store, "a", stepSnapshot(step));
  const sizes = new Map([...files.objects()].map(([name, { path }]) => [
    name,
    Deno.readTextFileSync(path).startsWith("{"),
  ]));
  using watcher = Deno.watchFs(`${files.root}/objects`);
  await right(files.store.collect(naming()));
  const removed: boolean[] = [];
  for await (const { kind, paths } of watcher) {
    const names = paths.map((path) => path.slice(path.lastIndexOf("/") + 1));
    if (kind === "remove") removed.push(...names.map((name) => sizes.get(name)!));
    if (removed.length >= 16) break;
  }
  assert.deepEqual(removed, [...new Array(8).fill(true), ...new Array(8).fill(false)]);
});

Deno.test("the lock of a process that is killed is free at once", async () => {
  await using files = await makeStore();
  const { id } = await keep(files.store, "a", stepSnapshot(1));
  const script = `
    import { fileSnapshotStore } from "${repository}src/adapters/file_objects/file_snapshot_store.ts";
    import { floats, snapshotOf } from "${repository}src/testing/sample_snapshots.ts";
    const store = fileSnapshotStore(${JSON.stringify(files.root)});
    const stored = await store.put("b", snapshotOf(2, { model: { w: floats([5]) } }))();
    console.log(stored.right.id); // and is never released
    setInterval(() => undefined, 1000);
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--no-prompt", "--allow-read", "--allow-write", "--allow-env", "-"],
    cwd: repository,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(script));
  await input.close();
  const output = child.stdout.getReader();
  const other = new TextDecoder().decode((await output.read()).value).trim();
  let asked = false;
  const collecting = right(files.store.collect(() => () => {
    asked = true;
    return Promise.resolve(E.right(liveOnly([id])));
  }));
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(!asked, "live was asked for while another process had stored something");
  assert.deepEqual(await right(files.store.list()), [id, other].sort());
  child.kill("SIGKILL");
  assert.equal((await collecting).objects, 2);
  assert.deepEqual(await right(files.store.list()), [id]);
  await child.status;
  await output.cancel();
});

Deno.test("the event loop goes on while collect() waits", async () => {
  await using files = await makeStore();
  const { release } = await right(files.store.put("a", stepSnapshot(1)));
  const collecting = right(files.store.collect(naming()));
  let turns = 0;
  for (const until = performance.now() + 200; performance.now() < until; turns++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(turns > 5, `${turns} turns`);
  release();
  assert.equal((await collecting).objects, 2);
});

Deno.test("a lock whose file was removed meanwhile keeps others away all the same", async () => {
  await using files = await makeStore();
  const first = await right(files.store.put("a", stepSnapshot(1)));
  const collecting = right(files.store.collect(naming(first.id)));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await Deno.remove(`${files.root}/objects/lock`);
  const second = await right(files.store.put("a", stepSnapshot(2))); // makes the file anew
  first.release();
  let done = false;
  collecting.finally(() => done = true);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(!done, "objects were collected while a snapshot was not released");
  second.release();
  assert.equal((await collecting).objects, 2);
});

Deno.test("hide() takes a checkpoint out of the view, and its directory where nothing else is in it", async () => {
  await using files = await makeStore();
  const { id } = await keep(files.store, "a", smallSnapshot());
  await keep(files.store, "a", stepSnapshot(4));
  const view = `${files.root}/a/checkpoints`;
  await right(files.store.hide("a", 3));
  assert.deepEqual(namesIn(view), ["step-000004"]);
  await Deno.writeTextFile(`${view}/step-000004/notes.txt`, "mine");
  await right(files.store.hide("a", 4));
  assert.deepEqual(namesIn(`${view}/step-000004`), ["notes.txt"]);
  assertSame(await right(files.store.get(id)), smallSnapshot());
  await assert.rejects(right(files.store.hide("../a", 4)), TypeError);
});

Deno.test("a view has the files of its snapshot alone, whatever was shown there before", async () => {
  await using files = await makeStore();
  await keep(files.store, "a", smallSnapshot());
  await keep(files.store, "a", snapshotOf(3, { model: { w: floats([5]) } }));
  assert.deepEqual(namesIn(`${files.root}/a/checkpoints/step-000003`), [
    "manifest.json",
    "model.safetensors",
  ]);
});

/** A snapshot with a model of its own. */
function stepSnapshot(step: number) {
  return snapshotOf(step, { model: { w: floats([step, 1, 2]) } });
}

function naming(...live: readonly SnapshotId[]) {
  return () => () => Promise.resolve(E.right(liveOnly(live)));
}
