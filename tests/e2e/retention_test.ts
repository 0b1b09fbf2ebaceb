import assert from "node:assert/strict";
import { isTrainingFact, type RunEvent } from "foldlog";
import type { Printed } from "../support/foldlog_here.ts";
import { openCli } from "../support/open_cli.ts";
import { runCli } from "../support/run_cli.ts";
import { SMALL_MODEL } from "../support/small_model.ts";

/** A training of eight steps with snapshots at 2, 4, 6 and 8, and evaluations at 4 and 8. */
const SMALL = ["--max-steps", "8", "--save-every", "2", ...SMALL_MODEL];

/** One process for the commands whose process is not the claim. */
const cli = openCli();
Deno.test.afterAll(() => cli.close());

/** Two runs, each in a store of its own: "done" is complete, "half" is paused at step 7 of 8. */
const templates = Deno.makeTempDirSync();
const template = `${templates}/done`;
Deno.test.beforeAll(async () => {
  await succeeds(["train", "--run", "done", "--runs", template, ...SMALL]);
  const half = ["train", "--run", "half", "--until", "7", "--runs", `${templates}/half`];
  await succeeds([...half, ...SMALL]);
});
Deno.test.afterAll(() => Deno.remove(templates, { recursive: true }));

Deno.test("prune --dry-run says what would go, and changes nothing", async () => {
  await using place = makePlace(["done"]);
  const before = treeOf(place.root);
  const args = ["prune", "done", "--keep-last", "1", "--dry-run", "--runs", place.root];
  const { stdout } = await succeeds(args);
  assert.match(stdout, /^step-000002 +2 +\d+\.\d{4} +- +\d+ +would be pruned$/m);
  assert.match(stdout, /^step-000004 +4 +\d+\.\d{4} +\d+\.\d{4} +\d+ +would be pruned$/m);
  assert.match(stdout, /^step-000008 .* kept: newest, best, last 1$/m);
  assert.match(
    stdout,
    /^done: 1 would be kept, 3 would be pruned; \d+ objects of \d+ bytes would be freed$/m,
  );
  const { dryRun, collected } = JSON.parse((await succeeds([...args, "--json"])).stdout);
  assert.deepEqual([dryRun, collected.objects], [true, 9]);
  assert.deepEqual(treeOf(place.root), before);
});

Deno.test("prune keeps the newest, the best and what a rule wants, and frees the rest", async () => {
  await using place = makePlace(["done"]);
  const before = await checkpoints(place.root, "done");
  const objects = objectsOf(place.root);
  const args = ["prune", "done", "--keep-every", "6", "--runs", place.root];
  const report = JSON.parse((await succeeds([...args, "--json"])).stdout);
  assert.deepEqual(
    report.snapshots.map((one: Checkpoint & { pruned: boolean }) => [one.step, one.pruned]),
    [[2, true], [4, true], [6, false], [8, false]],
  );
  assert.deepEqual(
    await checkpoints(place.root, "done"),
    before.filter(({ step }) => step === 6 || step === 8),
  );
  assert.deepEqual(namesIn(`${place.root}/done/checkpoints`), ["step-000006", "step-000008"]);
  const left = objectsOf(place.root);
  assert.deepEqual([left.size, objects.size - left.size], [
    6 + sourcesOf(place.root, "done"),
    report.collected.objects,
  ]);
  const pruned = eventsOf(place.root, "done").slice(-2);
  assert.deepEqual(
    pruned,
    before.slice(0, 2).map(({ step, id }) => ({
      type: "SnapshotPruned",
      data: { step, snapshot: id },
    })),
  );
  await succeeds(["verify", "done", "--runs", place.root]);
  await succeeds(["verify", "done", "--replay", "--runs", place.root]);
  const again = await succeeds(args);
  assert.match(again.stdout, /^done: 2 kept, 0 pruned; nothing to free$/m);
});

Deno.test("train --keep-last keeps that many while it trains, and the run has the same bits", async () => {
  await using place = makePlace([]);
  const args = ["train", "--run", "done", "--runs", place.root, ...SMALL];
  await alone([...args, "--keep-last", "1", "--until", "5"]);
  assert.deepEqual((await checkpoints(place.root, "done")).map(({ step }) => step), [4, 5]);
  await succeeds([...args, "--keep-last", "1"]);
  assert.deepEqual((await checkpoints(place.root, "done")).map(({ step }) => step), [5, 8]);
  assert.deepEqual(namesIn(`${place.root}/done/checkpoints`), ["step-000005", "step-000008"]);
  assert.equal(objectsOf(place.root).size, 6 + sourcesOf(place.root, "done"));
  assert.deepEqual(trainingOf(place.root, "done"), trainingOf(template, "done"));
  await succeeds(["verify", "done", "--replay", "--runs", place.root]);
});

Deno.test("a run that was pruned goes on with the same bits", async () => {
  await using place = makePlace(["half"]);
  const pruned = await alone(["prune", "half", "--keep-last", "1", "--runs", place.root]);
  assert.match(pruned.stdout, /half: 2 kept, 2 pruned/); // the newest, and that of step 4: evaluated
  await succeeds(["resume", "half", "--runs", place.root]);
  assert.deepEqual(trainingOf(place.root, "half"), trainingOf(template, "done"));
  const [newest] = (await checkpoints(place.root, "half")).slice(-1);
  assert.deepEqual(newest!.id, (await checkpoints(template, "done")).at(-1)!.id);
  await succeeds(["verify", "half", "--runs", place.root]);
});

Deno.test("what another run keeps, an archived one too, is not freed", async () => {
  await using place = makePlace(["done", "half"]);
  await succeeds(["prune", "half", "--keep-last", "1", "--runs", place.root]);
  await succeeds(["verify", "done", "--runs", place.root]);
  Deno.mkdirSync(`${place.root}/.archive/2026-01-01`, { recursive: true });
  Deno.renameSync(`${place.root}/done`, `${place.root}/.archive/2026-01-01/done`);
  const objects = objectsOf(place.root);
  assert.match((await succeeds(["gc", "--runs", place.root])).stdout, /nothing to free/);
  assert.deepEqual(objectsOf(place.root), objects);
  Deno.renameSync(`${place.root}/.archive/2026-01-01/done`, `${place.root}/done`);
  await succeeds(["verify", "done", "--runs", place.root]);
});

Deno.test("gc frees what no run names and what crashes left, and nothing else", async () => {
  await using place = makePlace(["done"]);
  const [before, events] = [objectsOf(place.root), eventsOf(place.root, "done")];
  const stray = "ab".repeat(32);
  Deno.mkdirSync(`${place.root}/objects/ab`, { recursive: true });
  Deno.writeTextFileSync(`${place.root}/objects/ab/${stray}`, "nobody's");
  Deno.writeTextFileSync(`${place.root}/objects/ab/.tmp-1`, "half of a file");
  const dry = await succeeds(["gc", "--dry-run", "--json", "--runs", place.root]);
  assert.deepEqual(JSON.parse(dry.stdout), { dryRun: true, objects: 2, bytes: 22 });
  assert.equal(objectsOf(place.root).size, before.size + 2);
  const { stdout } = await alone(["gc", "--runs", place.root]);
  assert.match(stdout, /: 2 objects of 22 bytes freed$/m);
  assert.deepEqual(objectsOf(place.root), before);
  assert.deepEqual(eventsOf(place.root, "done"), events);
  await succeeds(["verify", "done", "--runs", place.root]);
});

Deno.test("nothing is freed while the log of any run cannot be read, and it is named", async () => {
  await using place = makePlace(["done", "half"]);
  damageLog(place.root, "half");
  for (const cache of ["there", "gone"]) {
    if (cache === "gone") Deno.removeSync(`${place.root}/half/state.json`);
    const before = treeOf(place.root);
    for (const args of [["gc"], ["prune", "done", "--keep-last", "1"]]) {
      const { code, stderr } = await cli.run([...args, "--runs", place.root]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /Nothing was removed, .* "half" is damaged at position 3 /);
    }
    assert.deepEqual(treeOf(place.root), before);
  }
});

Deno.test("a run that another process trains is not pruned, and it says who does", async () => {
  await using place = makePlace();
  const long = SMALL.map((argument) => argument === "8" ? "1000000" : argument);
  let tried = false;
  const training = runCli(["train", "--run", "x", "--runs", place.root, ...long], {
    kills: [{ signal: "SIGINT", when: () => tried }],
  });
  try {
    while (namesIn(`${place.root}/x/checkpoints`).length < 2) await pause(20);
    const args = ["prune", "x", "--keep-last", "1", "--runs", place.root];
    const { code, stderr } = await cli.run(args);
    assert.equal(code, 2);
    assert.match(stderr, /Run "x" is being written by process \d+ since \d{4}/);
    await succeeds([...args, "--dry-run"]);
    await succeeds(["gc", "--runs", place.root]); // beside the writer
    const repair = await cli.run(["verify", "x", "--repair", "--runs", place.root]);
    assert.equal(repair.code, 2);
    assert.match(repair.stderr, /Run "x" is being written by process \d+/);
  } finally {
    tried = true;
    assert.equal((await training).code, 130);
  }
  await succeeds(["verify", "x", "--runs", place.root]);
});

Deno.test("a lost object is named by verify, and made again by verify --repair", async () => {
  await using place = makePlace(["done"]);
  const before = objectsOf(place.root);
  const [, , sixth] = await checkpoints(place.root, "done");
  const { files } = JSON.parse(
    Deno.readTextFileSync(`${place.root}/done/checkpoints/step-000006/manifest.json`),
  );
  for (const lost of [files.model.digest, sixth!.id]) {
    Deno.removeSync(objectPath(place.root, lost));
    const { code, stdout } = await cli.run(["verify", "done", "--json", "--runs", place.root]);
    assert.equal(code, 1);
    const { problems } = JSON.parse(stdout);
    assert.deepEqual(
      problems.map(({ type, step }: { type: string; step: number }) => [type, step]),
      [["SnapshotUnreadable", 6]],
    );
    assert.match(problems[0].message, new RegExp(`missing: expected .*${lost}`));
    const repair = await succeeds(["verify", "done", "--repair", "--runs", place.root]);
    assert.match(repair.stdout, /^Made the snapshot of step 6 anew: [0-9a-f]{12}, as recorded\.$/m);
    assert.match(repair.stdout, /all as recorded/);
    assert.match(repair.stderr, /backend: wasm/);
    assert.deepEqual(objectsOf(place.root), before);
    await succeeds(["verify", "done", "--runs", place.root]);
  }
});

Deno.test("damaged objects are mended by verify --repair, all of them too", async () => {
  await using place = makePlace(["half"]);
  const [before, events] = [objectsOf(place.root), eventsOf(place.root, "half")];
  for (const digest of before.keys()) {
    const path = objectPath(place.root, digest);
    Deno.chmodSync(path, 0o644);
    const bytes = Deno.readFileSync(path);
    bytes[bytes.length >> 1]! ^= 1;
    Deno.writeFileSync(path, bytes);
  }
  const { code, stdout } = await cli.run(["verify", "half", "--runs", place.root]);
  assert.equal(code, 1);
  assert.equal(stdout.match(/is damaged/g)?.length, 5); // four snapshots, and the code
  const repair = await alone(["verify", "half", "--repair", "--json", "--runs", place.root]);
  const { ok, repaired } = JSON.parse(repair.stdout);
  assert.deepEqual(
    [ok, repaired.snapshots.map(({ step }: { step: number }) => step)],
    [true, [2, 4, 6, 7]],
  );
  const mended = objectsOf(place.root);
  for (const [digest, bytes] of before) assert.deepEqual(mended.get(digest), bytes);
  assert.deepEqual(eventsOf(place.root, "half"), events);
});

Deno.test("a damaged state.json is named by verify, and made again by verify --repair", async () => {
  await using place = makePlace(["done"]);
  const path = `${place.root}/done/state.json`;
  const before = Deno.readTextFileSync(path);
  const other = before.replace('"version":', '"version":1');
  assert.notEqual(other, before);
  Deno.writeTextFileSync(path, other);
  const { code, stdout } = await cli.run(["verify", "done", "--runs", place.root]);
  assert.equal(code, 1);
  assert.match(stdout, /state\.json.*verify done --repair/);
  const log = Deno.readTextFileSync(`${place.root}/done/log/00000000.jsonl`);
  const repair = await succeeds(["verify", "done", "--repair", "--runs", place.root]);
  assert.match(repair.stdout, /state\.json/);
  assert.doesNotMatch(repair.stderr, /backend/, "a device was started for nothing");
  assert.equal(Deno.readTextFileSync(path), before);
  assert.equal(Deno.readTextFileSync(`${place.root}/done/log/00000000.jsonl`), log);
  await succeeds(["verify", "done", "--runs", place.root]);
});

Deno.test("the view of the snapshots is made again by verify --repair", async () => {
  await using place = makePlace(["done"]);
  const before = treeOf(`${place.root}/done/checkpoints`);
  assert.equal(before.size, 12);
  Deno.removeSync(`${place.root}/done/checkpoints`, { recursive: true });
  await succeeds(["verify", "done", "--runs", place.root]);
  await succeeds(["verify", "done", "--repair", "--runs", place.root]);
  assert.deepEqual(treeOf(`${place.root}/done/checkpoints`), before);
});

Deno.test("checkpoints lists what is kept, each with its own losses", async () => {
  const rows = await checkpoints(template, "done");
  const losses = eventsOf(template, "done").flatMap((event) =>
    event.type === "StepTaken" || event.type === "EvaluationTaken" ? [event] : []
  );
  const lossOf = (type: string, step: number) =>
    losses.find((event) => event.type === type && event.data.step === step)?.data.loss ?? null;
  assert.deepEqual(
    rows.map(({ step, loss, evaluation }) => ({ step, loss, evaluation })),
    [2, 4, 6, 8].map((step) => ({
      step,
      loss: lossOf("StepTaken", step),
      evaluation: lossOf("EvaluationTaken", step),
    })),
  );
});

Deno.test("a wrong prune, gc or verify is refused with what was found and expected", async () => {
  const rule = ["prune", "done"];
  const refusals: readonly (readonly [args: readonly string[], messages: readonly RegExp[]])[] = [
    [rule, [/Expected a rule/, /--keep-last N/, /--younger-than 7d/, /--dry-run/]],
    [[...rule, "--dry-run"], [/Expected a rule/]],
    [[...rule, "--keep-last", "0"], [/--keep-last/, /1/, /"?0"?/]],
    [[...rule, "--keep-best", "x"], [/--keep-best/, /"x"/]],
    [[...rule, "--keep-every", "1.5"], [/--keep-every/, /"1\.5"/]],
    [[...rule, "--younger-than", "soon"], [/--younger-than/, /7d, 12h or 30m/, /"soon"/]],
    [[...rule, "--younger-than", "-1d"], [/--younger-than/]],
    [["prune", "don", "--keep-last", "1"], [/no run "don"/, /mean done/]],
    [["prune", "../done", "--keep-last", "1"], [/letters, digits/]],
    [["prune", "--keep-last", "1"], [/RUN/]],
    [["gc", "done"], [/"done"/]],
    [["verify", "done", "--replay", "--repair"], [/--replay or --repair, found both/]],
    [["verify", "don", "--repair"], [/no run "don"/, /mean done/]],
  ];
  const before = treeOf(template);
  for (const [args, messages] of refusals) {
    const { code, stderr } = await cli.run([...args, "--runs", template]);
    assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
    for (const message of messages) assert.match(stderr, message);
  }
  assert.deepEqual(treeOf(template), before);
});

Deno.test("each rule of prune keeps what it says, and is named as the reason", async () => {
  const rules = [
    "--keep-last",
    "2",
    "--keep-best",
    "2",
    "--keep-every",
    "6",
    "--dry-run",
    "--json",
  ];
  const { stdout } = await succeeds(["prune", "done", ...rules, "--runs", template]);
  assert.deepEqual(
    JSON.parse(stdout).snapshots.map(({ step, reasons }: Judged) => [step, reasons]),
    [
      [2, []],
      [4, ["best 2 by evaluation"]],
      [6, ["last 2", "every 6 steps"]],
      [8, ["newest", "best", "last 2", "best 2 by evaluation"]],
    ],
  );
});

Deno.test("--younger-than keeps what is younger, in minutes, hours or days", async () => {
  const minute = 60_000;
  const ages = { "30m": 30 * minute, "12h": 720 * minute, "7d": 7 * 1440 * minute };
  for (const [age, milliseconds] of Object.entries(ages)) {
    const asked = Date.now();
    const judged = await youngerThan(age);
    const [reason] = judged[0]!.reasons;
    const since = Date.parse(/^since (.*)$/.exec(reason!)![1]!) + milliseconds;
    assert.ok(asked <= since && since <= Date.now(), `${age}: ${reason}`);
    assert.ok(judged.every(({ pruned }) => !pruned));
  }
  const none = await youngerThan("0m");
  assert.deepEqual(none.map(({ pruned }) => pruned), [true, true, true, false]);
});

async function youngerThan(age: string): Promise<readonly Judged[]> {
  const args = ["prune", "done", "--younger-than", age, "--dry-run", "--json"];
  return JSON.parse((await succeeds([...args, "--runs", template])).stdout).snapshots;
}

interface Judged {
  readonly step: number;
  readonly pruned: boolean;
  readonly reasons: readonly string[];
}

interface Checkpoint {
  readonly step: number;
  readonly id: string;
  readonly loss: number;
  readonly evaluation: number | null;
}

async function checkpoints(root: string, run: string): Promise<readonly Checkpoint[]> {
  return JSON.parse((await succeeds(["checkpoints", run, "--json", "--runs", root])).stdout);
}

/** Carries out a command that must do what it is asked. */
async function succeeds(args: readonly string[]): Promise<Printed> {
  return succeeded(args, await cli.run(args));
}

/** Does the same in a process of its own. */
async function alone(args: readonly string[]): Promise<Printed> {
  return succeeded(args, await runCli(args));
}

function succeeded(args: readonly string[], result: Printed): Printed {
  assert.equal(result.code, 0, `foldlog ${args.join(" ")}:\n${result.stdout}${result.stderr}`);
  return result;
}

interface Place extends AsyncDisposable {
  /** A directory of runs. */
  readonly root: string;
}

/** A store with copies of the named runs, that is removed in the end. */
function makePlace(runs: readonly string[] = []): Place {
  const parent = Deno.makeTempDirSync();
  const root = `${parent}/runs`;
  for (const run of runs) copyDirectory(`${templates}/${run}`, root);
  return { root, [Symbol.asyncDispose]: () => Deno.remove(parent, { recursive: true }) };
}

function copyDirectory(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyDirectory(`${from}/${name}`, `${to}/${name}`);
    else if (!namesIn(to).includes(name)) Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Every file below a directory with its bytes, but for locks, which say who took them last. */
function treeOf(root: string): ReadonlyMap<string, Uint8Array> {
  const tree = new Map<string, Uint8Array>();
  for (const name of namesIn(root)) {
    const path = `${root}/${name}`;
    if (Deno.statSync(path).isDirectory) {
      for (const [below, bytes] of treeOf(path)) tree.set(`${name}/${below}`, bytes);
    } else if (name !== "lock") tree.set(name, Deno.readFileSync(path));
  }
  return tree;
}

/** The objects of a store by digest, whatever a crash left among them too. */
function objectsOf(root: string): ReadonlyMap<string, Uint8Array> {
  const files = [...treeOf(`${root}/objects`)];
  return new Map(files.map(([path, bytes]) => [path.slice(path.lastIndexOf("/") + 1), bytes]));
}

/** How many objects a run's code consists of. */
function sourcesOf(root: string, run: string): number {
  const started = eventsOf(root, run)[0] as { readonly data: { readonly code: string } };
  const { code } = started.data;
  const { files } = JSON.parse(Deno.readTextFileSync(objectPath(root, code)));
  return new Set([code, ...Object.values(files)]).size;
}

function objectPath(root: string, digest: string): string {
  return `${root}/objects/${digest.slice(0, 2)}/${digest}`;
}

function namesIn(path: string): readonly string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function eventsOf(root: string, run: string): readonly RunEvent[] {
  const lines = Deno.readTextFileSync(`${root}/${run}/log/00000000.jsonl`).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line).event);
}

function trainingOf(root: string, run: string): readonly RunEvent[] {
  return eventsOf(root, run).filter(isTrainingFact);
}

/** Changes a digit of the line at position 3. */
function damageLog(root: string, run: string): void {
  const path = `${root}/${run}/log/00000000.jsonl`;
  const lines = Deno.readTextFileSync(path).split("\n");
  lines[3] = lines[3]!.replace(/"step":\d/, '"step":9');
  Deno.writeTextFileSync(path, lines.join("\n"));
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
