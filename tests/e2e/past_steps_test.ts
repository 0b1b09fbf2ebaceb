import assert from "node:assert/strict";
import { fileStore, orThrow, readRun } from "foldlog";
import type { Printed } from "../support/foldlog_here.ts";
import { openCli } from "../support/open_cli.ts";
import { repository, runCli } from "../support/run_cli.ts";
import { SMALL_MODEL } from "../support/small_model.ts";

/** A training of eight steps that takes a second. */
const SMALL = [...SMALL_MODEL, "--max-steps", "8", "--set", "evaluate.every=0"];

/** One process for the commands whose process is not the claim. */
const cli = openCli();
Deno.test.afterAll(() => cli.close());

/** Three runs: "done" and "again" are the same training, "other" has another learning rate. */
const root = Deno.makeTempDirSync();
Deno.test.beforeAll(async () => {
  const train = (run: string, ...more: readonly string[]) =>
    succeeds(["train", "--run", run, ...SMALL, ...more]);
  await train("done", "--save-every", "3");
  await train("again", "--save-every", "4");
  await train("other", "--save-every", "3", "--lr", "0.01");
});
Deno.test.afterAll(() => Deno.remove(root, { recursive: true }));

const PROBES = `${repository}/src/train/probes.ts`;

Deno.test("probe writes what a ready probe finds, the norms that the log has, and their proof", async () => {
  const args = ["probe", "done", "--from", "4", "--to", "6", "--with", PROBES];
  const alone = await runCli([...args, "--export", "gradientNorms", "--runs", root]);
  const { stdout } = ended(alone, 0);
  const place = `${root}/done/probes/gradientNorms-4-6.jsonl`;
  assert.ok(stdout.startsWith(`${place}: gradientNorms of steps 4 to 6 of run "done"\n`), stdout);
  assert.match(
    stdout,
    /recomputed 3 steps from step 3, compared 4 events and 0 fingerprints: all equal/,
  );
  const [header, ...lines] = linesOf(place);
  assert.deepEqual([header.run, header.from, header.to, header.probe.name], [
    "done",
    4,
    6,
    "gradientNorms",
  ]);
  assert.match(header.probe.source, /^[0-9a-f]{64}$/);
  const { events } = await orThrow(readRun(fileStore(root), "done"));
  const recorded = events.flatMap(({ event: { type, data } }) =>
    type === "StepTaken" && data.step >= 4 && data.step <= 6 ? [data.gradNorm] : []
  );
  assert.deepEqual(lines.slice(0, 3).map(({ values }) => values.all.values[0]), recorded);
  assert.equal(lines.at(-1).proof.verdict, "equal");
  // The same again is the same file; another probe of the name is not written over it.
  const bytes = await Deno.readTextFile(place);
  await succeeds([...args, "--export", "gradientNorms", "--json"]);
  const norms = await refuses(
    [...args, "--export", "weightNorms", "--out", place],
    [/is there already/, /--out/],
  );
  assert.equal(norms.code, 2);
  assert.equal(await Deno.readTextFile(place), bytes);
  assert.deepEqual([...Deno.readDirSync(`${root}/done/probes`)].map(({ name }) => name), [
    "gradientNorms-4-6.jsonl",
  ]);
  await succeeds(["verify", "done"]);
});

Deno.test("probe takes a file of anyone's, with imports of foldlog's own", async () => {
  await using place = await scratch();
  await Deno.writeTextFile(
    `${place.path}/loss.ts`,
    `import * as tf from "foldlog/tf";
     import type { ProbedStep } from "foldlog";
     export default function loss({ before, batches, keys, loss, samples }: ProbedStep) {
       return { mean: tf.mean(loss(before.params, batches[0]!, keys[0]!)), samples };
     }
     export function fails({ step }: ProbedStep) {
       if (step === 2) throw new Error("two is too many");
       return step;
     }
     export const none = 1;`,
  );
  const args = ["probe", "done", "--from", "1", "--to", "2", "--with", `${place.path}/loss.ts`];
  const out = `${place.path}/out.jsonl`;
  const { stdout } = await succeeds([...args, "--out", out, "--json"]);
  const { steps, verdict, out: told } = JSON.parse(stdout);
  assert.deepEqual([steps, verdict, told], [2, "equal", out]);
  assert.equal(linesOf(out)[1].values.samples.length, 4);
  const failed = await cli.run([...args, "--runs", root, "--export", "fails"]);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /^foldlog probe: The probe failed at step 2: two is too many\./m);
  await refuses([...args, "--export", "none"], [/an export "none"/, /it exports default, fails/]);
  await refuses([...args.slice(0, -1), `${place.path}/gone.ts`], [/--with/, /No such file/]);
  await refuses([...args.slice(0, -1), PROBES], [/a default export/, /gradientNorms/, /--export/]);
  await Deno.writeTextFile(`${place.path}/broken.ts`, "export default (");
  await refuses([...args.slice(0, -1), `${place.path}/broken.ts`], [/Cannot load the probe/]);
});

Deno.test("probe refuses steps that a run did not take", async () => {
  const args = ["probe", "done", "--with", PROBES, "--export", "weightNorms"];
  await refuses([...args, "--from", "0", "--to", "2"], [/no place "0"/, /took is 1/]);
  await refuses([...args, "--from", "5", "--to", "2"], [/--from/, /5 and 2/]);
  await refuses([...args, "--from", "5", "--to", "../9"], [/no place "..\/9"/]);
  await refuses([...args, "--from", "5"], [/--to/]);
});

Deno.test("bisect names the step at which runs part, the leaf, and the setting; runs that do not part exit 0", async () => {
  const equal = await succeeds(["bisect", "done", "again"]);
  assert.match(
    equal.stdout,
    /They do not part up to step 8, .*; the states are proven equal up to step 8\./,
  );
  const { code, stdout } = await cli.run(["bisect", "done", "other", "--runs", root]);
  assert.equal(code, 1);
  // The rate of the first step is 0: it warms up.
  assert.match(stdout, /^They part at step 2; the states are proven equal up to step 1\.$/m);
  assert.match(stdout, /^model\/\S+ +\[\d+(,\d+)*\] +\d+ of \d+ +\[0\S*\]/m);
  assert.match(
    stdout,
    /^run "other": recomputed 2 steps from step 0, compared 2 events: all equal/m,
  );
  assert.match(stdout, /What explains it: optimizer\.learningRate\.$/m);
  const json = await cli.run(["bisect", "done", "other", "--json", "--runs", root]);
  const { parts, different, cause } = JSON.parse(json.stdout);
  assert.deepEqual([json.code, parts, different, cause.names], [1, true, 2, [
    "optimizer.learningRate",
  ]]);
  await refuses(["bisect", "done"], [/foldlog bisect/]);
  await refuses(["bisect", "done", "gone"], [/no run "gone"/]);
});

Deno.test("diff recomputes the states that are not kept, and says what it recomputed", async () => {
  const { stdout, stderr } = await succeeds(["diff", "done@5", "again@5"], 1); // save.every is another
  assert.match(stdout, /The states of step 5 are equal/);
  for (const [run, from] of [["done", 3], ["again", 4]] as const) {
    assert.match(stderr, new RegExp(`run "${run}" keeps no state of step 5 .*: recomputing it`));
    assert.match(stderr, new RegExp(`recomputed ${5 - from} steps from step ${from}, compared`));
  }
});

// deno-lint-ignore no-explicit-any
function linesOf(place: string): any[] {
  return Deno.readTextFileSync(place).trimEnd().split("\n").map((line) => JSON.parse(line));
}

async function succeeds(args: readonly string[], status = 0): Promise<Printed> {
  return ended(await cli.run([...args, "--runs", root]), status);
}

function ended(result: Printed, status: number): Printed {
  assert.equal(result.code, status, result.stdout + result.stderr);
  return result;
}

async function refuses(args: readonly string[], messages: readonly RegExp[]): Promise<Printed> {
  const result = ended(await cli.run([...args, "--runs", root]), 2);
  for (const message of messages) assert.match(result.stderr, message);
  return result;
}

async function scratch(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
