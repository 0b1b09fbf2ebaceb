import assert from "node:assert/strict";
import { matchingPaths } from "../../src/adapters/files/matching_paths.ts";
import { inTemporaryDirectory } from "../support/temporary_directory.ts";

async function inDirectoryWith(
  files: readonly string[],
  work: (directory: string) => Promise<void>,
): Promise<void> {
  await inTemporaryDirectory(async (directory) => {
    for (const file of files) {
      await Deno.mkdir(`${directory}/${file}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${directory}/${file}`, "");
    }
    await work(directory);
  });
}

Deno.test("matchingPaths() finds what * and ? stand for, sorted by code units", async () => {
  const files = ["t_10.bin", "t_2.bin", "t_1.bin", "T_3.bin", "t_1.bin.old", ".t_4.bin", "v_1.bin"];
  await inDirectoryWith(files, async (directory) => {
    const found = async (pattern: string) =>
      (await matchingPaths(`${directory}/${pattern}`)).map((path) =>
        path.slice(directory.length + 1)
      );
    assert.deepEqual(await found("t_*.bin"), ["t_1.bin", "t_10.bin", "t_2.bin"]);
    assert.deepEqual(await found("?_?.bin"), ["T_3.bin", "t_1.bin", "t_2.bin", "v_1.bin"]);
    assert.deepEqual(await found("t_1.bin"), ["t_1.bin"]);
    assert.deepEqual(await found(".t*"), [".t_4.bin"]);
    assert.deepEqual(await found("*1.bin*"), ["t_1.bin", "t_1.bin.old", "v_1.bin"]);
  });
});

Deno.test("matchingPaths() finds directories by a pattern too, and takes other letters as they are", async () => {
  const files = ["a/x.bin", "b/x.bin", "b/y.bin", "c/sub/x.bin", "a+b/x[1].bin", "a+b/x1.bin"];
  await inDirectoryWith(files, async (directory) => {
    const found = async (pattern: string) =>
      (await matchingPaths(`${directory}/${pattern}`)).map((path) =>
        path.slice(directory.length + 1)
      );
    assert.deepEqual(await found("?/x.bin"), ["a/x.bin", "b/x.bin"]);
    assert.deepEqual(await found("*/*/x.bin"), ["c/sub/x.bin"]);
    assert.deepEqual(await found("a+b/x[1].*"), ["a+b/x[1].bin"]);
  });
});

Deno.test("matchingPaths() says what it looked for and what there is", async () => {
  await inDirectoryWith(
    ["fineweb_train_0.bin", "fineweb_val_0.bin", "notes"],
    async (directory) => {
      await assert.rejects(
        matchingPaths(`${directory}/fineweb_trian_*.bin`),
        new RangeError(
          `Expected files that match ${directory}/fineweb_trian_*.bin, found none: ${directory} has ` +
            "fineweb_train_0.bin, fineweb_val_0.bin and 1 more",
        ),
      );
      await assert.rejects(
        matchingPaths(`${directory}/none/*.bin`),
        new RangeError(
          `Expected files that match ${directory}/none/*.bin, found no directory ${directory}/none`,
        ),
      );
      await Deno.mkdir(`${directory}/empty`);
      await assert.rejects(
        matchingPaths(`${directory}/empty/*`),
        new RangeError(
          `Expected files that match ${directory}/empty/*, found none: ${directory}/empty is empty`,
        ),
      );
    },
  );
});
