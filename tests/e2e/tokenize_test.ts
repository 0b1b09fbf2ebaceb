import assert from "node:assert/strict";
import { runCli } from "../support/run_cli.ts";
import { inTemporaryDirectory } from "../support/temporary_directory.ts";

const PATIENCE = 240_000;

Deno.test("tokenize prints what it made, as data where it is asked for, and makes nothing twice", async () => {
  await inTemporaryDirectory(async (cwd) => {
    await Deno.writeTextFile(
      `${cwd}/a.txt`,
      "Call me Ishmael. Some years ago, never mind how long.",
    );
    await Deno.writeTextFile(`${cwd}/b.txt`, "It was the whiteness of the whale that appalled me.");
    const line = "tokenize a.txt b.txt --out data/moby --validation 0.2 --shard-tokens 10 --json";
    const first = await runCli(line.split(" "), { cwd, timeout: PATIENCE });
    assert.equal(first.code, 0, first.stderr);
    const { train, validation, ...about } = JSON.parse(first.stdout);
    assert.deepEqual(about, { directory: "data/moby", prefix: "moby", documents: 2 });
    assert.deepEqual(train.map(({ name }: { name: string }) => name), [
      "moby_train_000000.bin",
      "moby_train_000001.bin",
      "moby_train_000002.bin",
    ]);
    assert.deepEqual(validation, [{ name: "moby_val_000000.bin", tokens: 5 }]);
    for (const { name, tokens } of [...train, ...validation]) {
      assert.equal((await Deno.stat(`${cwd}/data/moby/${name}`)).size, 1024 + 2 * tokens);
    }
    const again = await runCli(line.split(" "), { cwd, timeout: PATIENCE });
    assert.equal(again.code, 2);
    assert.match(
      again.stderr,
      /^foldlog tokenize: Cannot make token shards at data\/moby: expected/,
    );
    const wrong = await runCli(["tokenize", "a.txt", "--out", "x", "--prefix", "a/b"], {
      cwd,
      timeout: PATIENCE,
    });
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /^foldlog tokenize: Expected a name for the shards/);
  });
});
