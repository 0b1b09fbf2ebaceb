import { equal, match, ok } from "node:assert/strict";
import { readRun } from "../../src/app/reading/read_run.ts";
import { fileStore } from "../../src/adapters/file_store.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test("the README's library script has at most twenty lines, trains, pauses, resumes and ends", async () => {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  const script = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  ok(script.trim().split("\n").length <= 20);
  const directory = await Deno.makeTempDir();
  await Deno.writeTextFile(`${directory}/line.ts`, script);

  const first = await runScript(directory);
  match(first, /^completed at step 200 with loss /);
  const recorded = await orThrow(readRun(fileStore(`${directory}/runs`), "fit"));
  const types = recorded.events.map(({ event }) => event.type);
  equal(types.filter((type) => type === "RunPaused").length, 1);
  equal(types.filter((type) => type === "RunResumed").length, 1);
  equal(types.filter((type) => type === "StepTaken").length, 200);

  equal(await runScript(directory), first);
  const again = await orThrow(readRun(fileStore(`${directory}/runs`), "fit"));
  equal(again.events.length, recorded.events.length);
  await Deno.remove(directory, { recursive: true });
});

async function runScript(directory: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-read",
      "--allow-write",
      "--allow-env",
      "--config",
      `${ROOT}deno.json`,
      "line.ts",
    ],
    cwd: directory,
  }).output();
  equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
