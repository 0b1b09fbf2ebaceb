import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { lineFile } from "../../src/adapters/files/line_file.ts";
import { orThrow } from "foldlog";

Deno.test("a file of lines is there when it is published, and not before", async () => {
  await inDirectory(async (root) => {
    const file = await orThrow(lineFile("run/probes/a.jsonl", root));
    await orThrow(file.write("one"));
    await orThrow(file.write("two"));
    const [name, ...others] = await namesIn(`${root}/run/probes`);
    assert.match(name!, /^\.tmp-/);
    assert.deepEqual(others, []);
    await orThrow(file.publish());
    await file.discard();
    assert.deepEqual(await namesIn(`${root}/run/probes`), ["a.jsonl"]);
    assert.equal(await Deno.readTextFile(`${root}/run/probes/a.jsonl`), "one\ntwo\n");
  });
});

Deno.test("what is discarded leaves nothing", async () => {
  await inDirectory(async (root) => {
    const file = await orThrow(lineFile(`${root}/a.jsonl`));
    await orThrow(file.write("one"));
    await file.discard();
    assert.deepEqual(await namesIn(root), []);
  });
});

Deno.test("the same lines again change nothing, others are refused", async () => {
  await inDirectory(async (root) => {
    const place = `${root}/a.jsonl`;
    await Deno.writeTextFile(place, "one\ntwo\n");
    const published = async (lines: readonly string[]) => {
      const file = await orThrow(lineFile(place));
      try {
        for (const line of lines) await orThrow(file.write(line));
        return await file.publish()();
      } finally {
        await file.discard();
      }
    };
    assert.ok(E.isRight(await published(["one", "two"])));
    for (const lines of [["one"], ["one", "twa"], ["one", "two", "three"], []]) {
      assert.deepEqual(await published(lines), E.left({ type: "FileExists", place }));
    }
    const other = await orThrow(lineFile(place));
    assert.deepEqual(await other.write("another")(), E.left({ type: "FileExists", place }));
    await other.discard();
    assert.equal(await Deno.readTextFile(place), "one\ntwo\n");
    assert.deepEqual(await namesIn(root), ["a.jsonl"]);
  });
});

Deno.test("a link in the store is not followed, and what the system refuses is said", async () => {
  await inDirectory(async (root) => {
    await Deno.mkdir(`${root}/run`);
    await Deno.symlink("/", `${root}/run/probes`);
    const link = await lineFile("run/probes/a.jsonl", root)();
    assert.ok(E.isLeft(link) && link.left.type === "FileUnavailable");
    assert.match(link.left.reason, /symbolic link/);
    await Deno.writeTextFile(`${root}/file`, "");
    const below = await lineFile(`${root}/file/a.jsonl`)();
    assert.ok(E.isLeft(below) && below.left.type === "FileUnavailable");
  });
});

async function inDirectory(work: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    await work(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
}
