import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { packSnapshot } from "../../src/codec/snapshot_codec.ts";
import { assertSame } from "../../src/testing/sample_snapshots.ts";
import { keep, left, liveOnly, right } from "../../src/testing/snapshot_answers.ts";
import { type FileFixture, makeStore, namesIn, smallSnapshot } from "../support/snapshot_files.ts";

const { id, manifest } = packSnapshot(smallSnapshot());
const { model, optimizer } = manifest.files;

/** Places in a store where a link could lead what is stored elsewhere. */
const places = [
  ["objects", "objects"],
  ["the directory of the manifest", `objects/${id.slice(0, 2)}`],
  ["the directory of the model", `objects/${model!.digest.slice(0, 2)}`],
  ["the directory of the optimizer", `objects/${optimizer!.digest.slice(0, 2)}`],
  ["the run", "a"],
  ["its checkpoints", "a/checkpoints"],
  ["the checkpoint", "a/checkpoints/step-000003"],
] as const;

for (const [name, place] of places) {
  Deno.test(`put() writes nothing where ${name} is a symbolic link`, async () => {
    await using files = await makeStore();
    const outside = await linkOutside(files, place);
    const error = await left(files.store.put("a", smallSnapshot()));
    assert.ok(error.type === "SnapshotsUnavailable", JSON.stringify(error));
    assert.match(error.reason, /symbolic link/);
    assert.ok(error.reason.includes(`${files.root}/${place}`), error.reason);
    assert.deepEqual(namesIn(outside), []);
    if (place.startsWith("a")) assert.equal(files.objects().size, 0, "refused before all writing");
    await Deno.remove(`${files.root}/${place}`);
    assert.equal((await keep(files.store, "a", smallSnapshot())).id, id);
  });
}

Deno.test("nothing locks, collects or hides through a symbolic link", async () => {
  await using files = await makeStore();
  await keep(files.store, "a", smallSnapshot());
  const outside = await linkOutside(files, "objects/lock");
  const file = `${outside}/${id}`;
  await Deno.writeTextFile(file, "{");
  await Deno.writeTextFile(`${outside}/.tmp-1`, "");
  await Deno.writeTextFile(`${outside}/manifest.json`, "");
  const nothing = () => () => Promise.resolve(E.right(liveOnly([])));
  assert.equal((await left(files.store.collect(nothing))).type, "SnapshotsUnavailable");
  assert.equal((await left(files.store.put("a", smallSnapshot()))).type, "SnapshotsUnavailable");
  await Deno.remove(`${files.root}/objects/lock`);
  await Deno.symlink(outside, `${files.root}/objects/ee`);
  await Deno.symlink(outside, `${files.root}/a/checkpoints/step-000009`);
  assert.equal((await left(files.store.hide("a", 9))).type, "SnapshotsUnavailable");
  await right(files.store.collect(nothing));
  assert.deepEqual(namesIn(outside), [".tmp-1", id, "manifest.json"].sort());
});

Deno.test("a link in the view is replaced, and what it leads to stays as it is", async () => {
  await using files = await makeStore();
  await keep(files.store, "a", smallSnapshot());
  const shown = `${files.root}/a/checkpoints/step-000003/model.safetensors`;
  const victim = `${files.parent}/victim`;
  await Deno.writeTextFile(victim, "mine");
  await Deno.remove(shown);
  await Deno.symlink(victim, shown);
  await keep(files.store, "a", smallSnapshot());
  assert.equal(Deno.readTextFileSync(victim), "mine");
  const { digest } = manifest.files["model"]!;
  assert.equal(Deno.lstatSync(shown).ino, files.objects().get(digest)!.ino);
});

Deno.test("an object that is a link, a directory or a pipe is no object, and hangs nobody", async () => {
  await using files = await makeStore();
  const { digest } = manifest.files["model"]!;
  for (const make of [makeDirectory, makePipe, makeLinkToNowhere]) {
    await keep(files.store, "a", smallSnapshot());
    const { path } = files.objects().get(digest)!;
    await Deno.remove(path);
    await make(path);
    const error = await left(files.store.get(id));
    assert.match(error.type, /^Snapshot(Damaged|Missing)$/);
    assert.deepEqual(await right(files.store.list()), [id]);
    await Deno.remove(path);
  }
  const { path } = { path: `${files.root}/objects/${id.slice(0, 2)}/${id}` };
  await Deno.remove(path);
  await makePipe(path);
  assert.equal((await left(files.store.manifest(id))).type, "SnapshotDamaged");
  assert.deepEqual(await right(files.store.list()), []);
});

Deno.test("the root of a store may be a link", async () => {
  await using files = await makeStore();
  await Deno.mkdir(`${files.parent}/disk`);
  await Deno.symlink(`${files.parent}/disk`, files.root);
  await keep(files.store, "a", smallSnapshot());
  assertSame(await right(files.store.get(id)), smallSnapshot());
  assert.deepEqual(namesIn(`${files.parent}/disk`), ["a", "objects"]);
});

/** Makes `place` a link to a directory outside of the store, which is given. */
async function linkOutside({ parent, root }: FileFixture, place: string): Promise<string> {
  const outside = `${parent}/outside`;
  await Deno.mkdir(outside);
  const path = `${root}/${place}`;
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.remove(path).catch(() => undefined);
  await Deno.symlink(outside, path);
  return outside;
}

async function makeDirectory(path: string): Promise<void> {
  await Deno.mkdir(path);
}

async function makePipe(path: string): Promise<void> {
  const { success } = await new Deno.Command("mkfifo", { args: [path] }).output();
  assert.ok(success, "mkfifo failed");
}

async function makeLinkToNowhere(path: string): Promise<void> {
  await Deno.symlink(`${path}-nowhere`, path);
}
