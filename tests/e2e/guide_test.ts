import assert from "node:assert/strict";
import { fileStore } from "foldlog";
import { forged, otherLoss } from "../support/forged.ts";
import { type PageCommand, type PagePart, partsOf, shows } from "../support/guide_page.ts";
import { openCli } from "../support/open_cli.ts";
import { repository, runCli } from "../support/run_cli.ts";

const GUIDE = `${repository}/docs/guide`;
const CONFIG = `${repository}/deno.json`;
const PERMISSIONS = ["--no-prompt", "--allow-read", "--allow-write", "--allow-env"];

/** The pages show what this backend prints. */
const WASM = { FOLDLOG_BACKEND: "wasm" };

/** Milliseconds for a command, on a machine that has much else to do. */
const PATIENCE = 240_000;

/** The module with the task of every script, which the guide's first page shows. */
const TASK = "line.ts";

const pages = [...Deno.readDirSync(GUIDE)].map(({ name }) => name)
  .filter((name) => name.endsWith(".md") && name !== "README.md").sort();

/** Commands of this page are processes, as a reader's are, and so are those that are killed. */
const PROCESSES = `docs/guide/${pages[0]}:`;

/** The process of all the others. */
const cli = openCli();
Deno.test.afterAll(() => cli.close());

for (const page of pages) {
  Deno.test(`docs/guide/${page}: its commands and its script do what it says`, async () => {
    const parts = partsOf(await Deno.readTextFile(`${GUIDE}/${page}`));
    const directory = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${directory}/${TASK}`, await taskModule());
      let killed = false;
      for (const part of parts) killed = await carryOut(page, part, directory, killed);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

Deno.test("the guide lists its pages, each of which has commands and, for a question, a script", async () => {
  const list = await Deno.readTextFile(`${GUIDE}/README.md`);
  const listed = [...list.matchAll(/^- \[.*\]\((.*\.md)\)$/gm)].map(([, page]) => page!);
  assert.deepEqual(listed.toSorted(), pages);
  for (const page of pages) {
    const parts = partsOf(await Deno.readTextFile(`${GUIDE}/${page}`));
    const types = page.startsWith("coming-from-") ? ["commands"] : ["commands", "script"];
    for (const type of types) {
      assert.ok(parts.some((part) => part.type === type), `${page} has no ${type}`);
    }
  }
});

Deno.test("the guide's scripts fit the library's types", async () => {
  const directory = await Deno.makeTempDir();
  await Deno.writeTextFile(`${directory}/${TASK}`, await taskModule());
  const files: string[] = [];
  for (const page of pages) {
    const parts = partsOf(await Deno.readTextFile(`${GUIDE}/${page}`));
    for (const part of parts) {
      if (part.type !== "script") continue;
      const file = `${page.replace(".md", "")}-${part.line}.ts`;
      await Deno.writeTextFile(`${directory}/${file}`, part.code);
      files.push(file);
    }
  }
  await deno(["check", "--config", CONFIG, ...files], directory);
  await Deno.remove(directory, { recursive: true });
});

async function taskModule(): Promise<string> {
  const [script] = partsOf(await Deno.readTextFile(`${GUIDE}/README.md`))
    .filter(({ type }) => type === "script");
  assert.ok(script?.type === "script", "docs/guide/README.md shows no task");
  return script.code;
}

/** Does a part of a page, and tells whether it ended with a kill, after which numbers are chance. */
async function carryOut(
  page: string,
  part: PagePart,
  directory: string,
  killed: boolean,
): Promise<boolean> {
  const place = `docs/guide/${page}:${part.line}`;
  if (part.type === "happens") {
    await happen(part.what, directory);
    return killed;
  }
  let output = "";
  if (part.type === "script") {
    await Deno.writeTextFile(`${directory}/script.ts`, part.code);
    const run = ["run", ...PERMISSIONS, "--config", CONFIG, "script.ts"];
    output = await deno(run, directory);
  } else {
    for (const command of part.commands) output += await runCommand(place, command, directory);
  }
  if (part.output !== undefined) {
    assert.ok(
      shows(part.output, output, killed),
      `${place}: expected the output of the page:\n${part.output}\nfound:\n${output}`,
    );
  }
  return part.type === "commands" && part.commands.at(-1)?.killedAfter !== undefined;
}

async function runCommand(
  place: string,
  { text, exits, killedAfter }: PageCommand,
  directory: string,
): Promise<string> {
  const here = text.replace("path/to/foldlog", repository);
  const [, verb] = /^deno task foldlog (.*)$/.exec(here) ?? [];
  if (verb === undefined) return await shell(here, directory);
  if (text === FIRST_TRAINING && killedAfter === undefined && isNew(directory)) {
    return await firstTraining(directory);
  }
  const run = /--run (\S+)/.exec(verb)?.[1];
  const words = verb.split(/\s+/).map((word) => word.replaceAll("'", "")); // as a shell has them
  const where = { cwd: directory, env: WASM };
  const separate = place.startsWith(PROCESSES) || killedAfter !== undefined;
  const { code, stdout, stderr } = separate
    ? await runCli(words, {
      ...where,
      timeout: PATIENCE,
      ...(killedAfter !== undefined && {
        kills: [{
          signal: "SIGKILL",
          when: () => hasStep(`${directory}/runs/${run}`, killedAfter),
        }],
      }),
    })
    : await cli.run(words, where);
  assert.equal(code, exits, `${place}: ${text}\n${stderr}${stdout}`);
  if (killedAfter !== undefined) return `${stdout}${stderr}Killed\n`;
  // What is said on the way comes before what is answered, but a refusal comes last.
  return stderr.startsWith("foldlog ") ? stdout + stderr : stderr + stdout;
}

/** With what most pages begin: trained for the first of them, and copied for the others. */
const FIRST_TRAINING = "deno task foldlog train --run first --max-steps 12 --save-every 4";

let trained: { readonly directory: string; readonly output: string } | undefined;
Deno.test.afterAll(async () => {
  if (trained) await Deno.remove(trained.directory, { recursive: true });
});

async function firstTraining(directory: string): Promise<string> {
  if (trained === undefined) {
    const place = await Deno.makeTempDir();
    const args = FIRST_TRAINING.split(" ").slice(3);
    const { code, stdout, stderr } = await runCli(args, { cwd: place, env: WASM });
    assert.equal(code, 0, stderr);
    trained = { directory: place, output: stdout };
  }
  await shell(`cp -r ${trained.directory}/runs .`, directory);
  return trained.output;
}

function isNew(directory: string): boolean {
  return [...Deno.readDirSync(directory)].every(({ name }) => name !== "runs");
}

async function shell(text: string, cwd: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("sh", { args: ["-c", text], cwd })
    .output();
  assert.equal(code, 0, `${text}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

async function deno(args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

function hasStep(run: string, step: number): boolean {
  try {
    const log = Deno.readTextFileSync(`${run}/log/00000000.jsonl`);
    return log.includes(`"step":${step}},"type":"StepTaken"`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What pages tell in words and a test has to do. */
async function happen(what: string, directory: string): Promise<void> {
  const [, to, from, step] = /^(\w+) is (\w+) with the loss of step (\d+) forged$/.exec(what) ?? [];
  assert.ok(to && from, `nobody knows how this happens: ${what}`);
  const store = fileStore(`${directory}/runs`);
  await forged(store, otherLoss(Number(step)), store, { from, to });
}
