import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { writeFiles } from "../../src/adapters/files/write_files.ts";
import { writeNewFile } from "../../src/adapters/files/write_new_file.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";
import { fileTree } from "../support/file_tree.ts";

const files = new Map([["a.ts", Uint8Array.of(1)], ["b/c/d.json", Uint8Array.of(2, 3)]]);

Deno.test("writeFiles() writes files below a directory that is new, and below one that is empty", async () => {
  await using tree = await fileTree({});
  await Deno.mkdir(`${tree.path}/empty`);
  for (const place of [`${tree.path}/empty`, `${tree.path}/new/one`]) {
    await orThrow(writeFiles(place, files));
    for (const [path, bytes] of files) {
      assert.deepEqual(await Deno.readFile(`${place}/${path}`), bytes);
    }
  }
});

Deno.test("writeFiles() leaves a directory alone that has anything in it, and a file", async () => {
  await using tree = await fileTree({ "full/a.ts": "mine", "file": "mine" });
  for (
    const [place, reason] of [["full", /an empty directory, found "a\.ts"/], ["file", /./]] as const
  ) {
    const refused = await writeFiles(`${tree.path}/${place}`, files)();
    assert.ok(E.isLeft(refused) && refused.left.type === "SourcesUnavailable");
    assert.match(refused.left.reason, reason);
  }
  assert.deepEqual([...Deno.readDirSync(`${tree.path}/full`)].map(({ name }) => name), ["a.ts"]);
  assert.equal(await Deno.readTextFile(`${tree.path}/full/a.ts`), "mine");
});

Deno.test("writeFiles() writes nothing at all where a path leads elsewhere", async () => {
  await using tree = await fileTree({});
  for (const path of ["../out.ts", "/tmp/out.ts", "a/../../out.ts", ""]) {
    const hostile = new Map([["fine.ts", Uint8Array.of(1)], [path, Uint8Array.of(2)]]);
    await assert.rejects(
      writeFiles(`${tree.path}/new`, hostile)(),
      /Expected a path below a directory/,
    );
  }
  assert.deepEqual([...Deno.readDirSync(tree.path)], []);
});

Deno.test("writeFiles() leaves nothing where one of the files cannot be written", async () => {
  await using tree = await fileTree({});
  await Deno.mkdir(`${tree.path}/empty`);
  const unfit = new Map([["b/c", Uint8Array.of(1)], ["a", Uint8Array.of(1)], [
    "a/b",
    Uint8Array.of(2),
  ]]);
  for (const place of ["empty", "new"]) {
    const refused = await writeFiles(`${tree.path}/${place}`, unfit)();
    assert.ok(E.isLeft(refused) && refused.left.type === "SourcesUnavailable", place);
  }
  assert.deepEqual([...Deno.readDirSync(tree.path)].map(({ name }) => name), ["empty"]);
  assert.deepEqual([...Deno.readDirSync(`${tree.path}/empty`)], []);
});

Deno.test("writeNewFile() writes a file that is not there, and never over one that is", async () => {
  await using tree = await fileTree({ "taken": "mine" });
  await orThrow(writeNewFile(`${tree.path}/new/file`, Uint8Array.of(1, 2)));
  assert.deepEqual(await Deno.readFile(`${tree.path}/new/file`), Uint8Array.of(1, 2));
  const refused = await writeNewFile(`${tree.path}/taken`, Uint8Array.of(1))();
  assert.ok(E.isLeft(refused) && refused.left.type === "FileExists");
  assert.equal(await Deno.readTextFile(`${tree.path}/taken`), "mine");
  const names = [...Deno.readDirSync(tree.path)].map(({ name }) => name).sort();
  assert.deepEqual(names, ["new", "taken"]);
});
