import assert from "node:assert/strict";
import {
  codeOf,
  fileStore,
  mergeConfig,
  openDevice,
  orThrow,
  readRun,
  type RunConfig,
  trainRun,
  verifyRun,
} from "foldlog";
import { mobyGpt } from "../../src/recipes/mod.ts";
import { openCli } from "../support/open_cli.ts";
import { repository, runCli } from "../support/run_cli.ts";
import { firstCode } from "../support/small_code.ts";

/** One process for the commands whose process is not the claim. */
const cli = openCli();
Deno.test.afterAll(() => cli.close());

const SMALL: readonly (readonly [string, number])[] = [
  ["steps.max", 4],
  ["model.layers", 1],
  ["model.channels", 16],
  ["model.heads", 2],
  ["model.context", 16],
  ["batch.size", 4],
  ["batch.micro", 4],
  ["evaluate.every", 0],
];

Deno.test("train records its own code, and show --code writes out what it read", async () => {
  const root = await Deno.makeTempDir();
  try {
    const settings = SMALL.flatMap(([path, value]) => ["--set", `${path}=${value}`]);
    const named = ["--runs", root];
    await succeeds([
      "train",
      "--run",
      "a",
      "--backend",
      "wasm",
      ...settings,
      "--until",
      "1",
      ...named,
    ]);
    const roots = [
      "src/recipes/moby_gpt.ts",
      "src/app/training/train_run.ts",
      "src/adapters/device/tfjs_backend.ts",
    ];
    const { digest, manifest } = await orThrow(
      codeOf(roots.map((path) => new URL(`../../${path}`, import.meta.url).href)),
    );
    const shown = await succeeds(["show", "a", ...named]);
    assert.match(shown.stdout, new RegExp(`^code +${digest.slice(0, 12)}$`, "m"));
    assert.equal(
      JSON.parse((await succeeds(["show", "a", "--json", ...named])).stdout).code,
      digest,
    );
    const directory = `${root}/written/code`;
    const { stdout } = await succeeds(["show", "a", "--code", directory, ...named]);
    assert.match(
      stdout,
      new RegExp(`${Object.keys(manifest.files).length} files.*${digest.slice(0, 12)}`),
    );
    assert.match(stdout, /npm:@tensorflow\/tfjs@4\.22\.0/);
    assert.deepEqual(await filesBelow(directory), Object.keys(manifest.files).sort());
    for (const path of Object.keys(manifest.files)) {
      assert.deepEqual(
        await Deno.readFile(`${directory}/${path}`),
        await Deno.readFile(`${repository}/${path}`),
        path,
      );
    }
    const again = await cli.run(["show", "a", "--code", directory, ...named]);
    assert.equal(again.code, 2);
    assert.match(again.stderr, /expected an empty directory, found "/);
    const from = (path: string) => `file://${directory}/${path}`;
    assert.equal((await orThrow(codeOf(roots.map(from)))).digest, digest, "it names itself");
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("a run of other code is refused until that is accepted, and compared all the same", async () => {
  const root = await Deno.makeTempDir();
  try {
    const store = fileStore(root);
    const config = mergeConfig(mobyGpt.config, configOf(SMALL));
    const device = await orThrow(openDevice("cpu"));
    const task = await mobyGpt.task(config);
    const options = { config, until: 2 };
    await orThrow(trainRun({ store, device, code: firstCode }, "a", task, options));
    const { code, stderr } = await cli.run(["train", "--run", "a", "--runs", root]);
    assert.equal(code, 2);
    assert.match(stderr, /computed by other code: expected [0-9a-f]{12}, found [0-9a-f]{12}/);
    assert.match(stderr, /^ {2}added: src\/core\/evolve\.ts$/m);
    assert.match(stderr, /^ {2}removed: task\.ts$/m);
    assert.match(stderr, /--accept-code-change/);
    const replayed = await succeeds(["verify", "a", "--replay", "--runs", root]);
    assert.match(replayed.stdout, /recomputed by other code than the run's: .*\n {2}added: /);
    assert.match(replayed.stdout, /2 steps recomputed.*all as recorded/);
    const resumed = await runCli(["resume", "a", "--accept-code-change", "--runs", root]);
    assert.equal(resumed.code, 0, resumed.stderr);
    const { state, events } = await orThrow(readRun(store, "a"));
    assert.equal(state.status, "completed");
    const changes = events.filter(({ event }) => event.type === "CodeChanged");
    assert.deepEqual(changes.map(({ event }) => event.data), [{ step: 2, code: state.code }]);
    assert.deepEqual(state.otherCode, [firstCode.digest]);
    assert.deepEqual((await orThrow(verifyRun(store, "a"))).problems, []);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

async function succeeds(args: readonly string[]) {
  const result = await cli.run(args);
  assert.equal(result.code, 0, `${args.join(" ")}\n${result.stdout}\n${result.stderr}`);
  return result;
}

/** The settings as a config has them, by group. */
function configOf(settings: readonly (readonly [string, number])[]): Partial<RunConfig> {
  const config: Record<string, Record<string, number>> = {};
  for (const [path, value] of settings) {
    const [group, name] = path.split(".") as [string, string];
    config[group] = { ...config[group], [name]: value };
  }
  return config as Partial<RunConfig>;
}

async function filesBelow(directory: string, below = ""): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${directory}/${below}`)) {
    if (isDirectory) found.push(...await filesBelow(directory, `${below}${name}/`));
    else found.push(`${below}${name}`);
  }
  return found.sort();
}
