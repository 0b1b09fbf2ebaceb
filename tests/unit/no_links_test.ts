import assert from "node:assert/strict";
import { refuseLinks } from "../../src/adapters/files/no_links.ts";
import { eventsOf, left, record, right } from "../../src/testing/log_answers.ts";
import { started, stepTaken } from "../../src/testing/sample_events.ts";
import { temporaryLog } from "../support/temporary_log.ts";

Deno.test("refuseLinks() refuses a link in any place below the root, and nothing else", async () => {
  await using store = await temporaryLog();
  await Deno.mkdir(`${store.root}/a/b/c`, { recursive: true });
  await Deno.symlink(`${store.root}/a`, `${store.root}/first`);
  await Deno.symlink(store.parent, `${store.root}/a/b/middle`);
  await Deno.symlink(`${store.root}/nothing`, `${store.root}/a/b/c/last`);
  await Deno.symlink(store.root, `${store.parent}/root`);
  for (const path of ["first", "first/b", "a/b/middle/x/y", "a/b/c/last"]) {
    await assert.rejects(refuseLinks(store.root, path), /no symbolic link in the store, found one/);
  }
  for (const path of ["a", "a/b/c", "a/b/c/new", "new/and/deeper"]) {
    await refuseLinks(store.root, path);
    await refuseLinks(`${store.parent}/root`, path);
  }
});

const links: Readonly<Record<string, string>> = {
  "the run": "a",
  "the log": "a/log",
  "the lock": "a/lock",
  "the last segment": "a/log/00000000.jsonl",
};

for (const [what, path] of Object.entries(links)) {
  Deno.test(`nothing is written through a link in the place of ${what}`, async () => {
    await using store = await temporaryLog();
    await record(store.log, "a", [started]);
    const outside = `${store.parent}/outside`;
    await Deno.rename(`${store.root}/${path}`, outside);
    await Deno.symlink(outside, `${store.root}/${path}`);
    const before = await picture(outside);
    const error = await left(store.log.open("a"));
    assert.ok(error.type === "LogUnavailable", JSON.stringify(error));
    assert.match(error.reason, /symbolic link/);
    assert.ok(error.reason.includes(`${store.root}/${path}`));
    assert.deepEqual(await picture(outside), before);
  });
}

Deno.test("no lock is made, and no run archived, through a link", async () => {
  await using store = await temporaryLog();
  await record(store.log, "a", [started]);
  const outside = `${store.parent}/outside`;
  await Deno.mkdir(outside);
  await Deno.symlink(outside, `${store.root}/b`);
  await Deno.symlink(outside, `${store.root}/.archive`);
  for (const run of ["a", "b"]) {
    const error = await left(store.log.archive(run));
    assert.ok(error.type === "LogUnavailable", JSON.stringify(error));
    assert.match(error.reason, /symbolic link/);
  }
  assert.deepEqual([...Deno.readDirSync(outside)], []);
  assert.deepEqual(await eventsOf(store.log, "a"), [started]);
});

Deno.test("a store that is itself behind a link is written to", async () => {
  await using store = await temporaryLog();
  await Deno.mkdir(`${store.parent}/elsewhere`);
  await Deno.symlink(`${store.parent}/elsewhere`, store.root);
  await record(store.log, "a", [started]);
  await record(store.log, "a", [stepTaken(1)]);
  assert.deepEqual(await eventsOf(store.log, "a"), [started, stepTaken(1)]);
  assert.deepEqual(await right(store.log.runs()), ["a"]);
});

/** Every file below a path, or the file itself, with its text. */
async function picture(path: string): Promise<readonly string[]> {
  if ((await Deno.stat(path)).isFile) return [await Deno.readTextFile(path)];
  const found: string[] = [];
  for (const { name } of Deno.readDirSync(path)) {
    found.push(name, ...await picture(`${path}/${name}`));
  }
  return found.sort();
}
