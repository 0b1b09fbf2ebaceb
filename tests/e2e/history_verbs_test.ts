import assert from "node:assert/strict";
import { fileStore } from "foldlog";
import { forged, otherLoss } from "../support/forged.ts";
import type { Printed } from "../support/foldlog_here.ts";
import { openCli } from "../support/open_cli.ts";
import { type Kill, runCli } from "../support/run_cli.ts";
import { SMALL_MODEL } from "../support/small_model.ts";

/** One process for the commands whose process is not the claim. */
const cli = openCli();
Deno.test.afterAll(() => cli.close());

/** "done" has eight steps, and snapshots of 3, 6 and 8; "long" has sixty, and one of the last alone. */
const template = Deno.makeTempDirSync();
Deno.test.beforeAll(async () => {
  const at = ["--runs", template, ...SMALL_MODEL];
  await succeeds(["train", "--run", "done", "--max-steps", "8", "--save-every", "3", ...at]);
  await succeeds(["train", "--run", "long", "--max-steps", "60", "--save-every", "0", ...at]);
});
Deno.test.afterAll(() => Deno.remove(template, { recursive: true }));

Deno.test("--help of fork and materialize names every flag, what it takes, and exits 0", async () => {
  const fork = await succeeds(["fork", "--help"]);
  for (
    const flag of ["--at PLACE", "--weights-only", "--without-samples LIST", "--skip-batch LIST"]
  ) {
    assert.ok(fork.stdout.includes(flag), flag);
  }
  assert.match((await succeeds(["materialize", "--help"])).stdout, /RUN\[@PLACE\]/);
});

Deno.test("fork --json says what the fork is, where it begins and what it recomputed", async () => {
  await using place = await makePlace();
  const { run, origin, change, otherData, recomputation } = await json(
    place,
    ["fork", "done", "--at", "5", "--run", "b", "--lr", "0.01", "--json"],
  );
  assert.deepEqual([run, otherData, origin.takes, origin.step], ["b", false, "state", 5]);
  assert.deepEqual([origin.parent.run, origin.parent.step], ["done", 5]);
  for (const digest of ["state", "history", "envelope"]) {
    assert.match(origin.parent[digest], /^[0-9a-f]{64}$/);
  }
  const [{ path, recorded, asked }] = change.changes;
  assert.deepEqual([path, recorded, asked], ["optimizer.learningRate", 0.003, 0.01]);
  const { snapshot, steps, compared } = recomputation;
  assert.deepEqual([snapshot, steps, compared], [3, 2, 3], "two steps and an evaluation");
  const shown = await json(place, ["show", "b", "--json"]);
  assert.deepEqual([shown.step, shown.status, shown.origin], [5, "running", origin]);
});

Deno.test("a fork without samples, and one without a batch, say what they leave out", async () => {
  await using place = await makePlace();
  const without = ["--without-samples", "3,17,40-45", "--skip-batch", "7-8"];
  const { stdout } = await alone(["fork", "done", "--at", "5", ...without, ...place.runs]);
  assert.match(stdout, /left out: 8 samples of every epoch, 8 samples of skipped batches\n/);
  const { origin } = await json(place, ["show", "done-fork", "--json"]);
  assert.deepEqual(origin.leftOut.samples, [3, 17, 40, 41, 42, 43, 44, 45]);
  assert.deepEqual(origin.leftOut.places, [{ epoch: 0, index: 24, count: 8 }]);
  const shown = await succeeds(["show", "done-fork", ...place.runs]);
  assert.match(shown.stdout, /without 8 samples of every epoch, 8 samples of skipped batches/);
});

Deno.test("materialize --json gives the snapshot and its place, made once", async () => {
  await using place = await makePlace();
  const made = JSON.parse((await alone(["materialize", "done@5", "--json", ...place.runs])).stdout);
  assert.deepEqual([made.run, made.step, made.recomputation.steps], ["done", 5, 2]);
  assert.equal(made.path, `${place.root}/done/checkpoints/step-000005`);
  assert.ok(Deno.statSync(`${made.path}/model.safetensors`).isFile);
  const again = await json(place, ["materialize", "done@5", "--json"]);
  const { recomputation: _, ...kept } = made;
  assert.deepEqual(again, kept);
  const [first, second] = await json(place, ["checkpoints", "done", "--json"]);
  assert.deepEqual([first.step, second.step, second.id], [3, 5, made.id]);
});

Deno.test("show RUN@STEP --json is the fold up to there, by whatever name the step has", async () => {
  await using place = await makePlace();
  const five = await json(place, ["show", "done@5", "--json"]);
  assert.deepEqual([five.runId, five.step, five.history, five.branch], ["done", 5, 5, null]);
  assert.match(five.historyDigest, /^[0-9a-f]{64}$/);
  assert.equal(five.config.steps.max, 8);
  const steps = (await eventsOf(place, "done")).filter(({ type }) => type === "StepTaken");
  assert.equal(five.lastLoss, steps[4]!.data.loss);
  assert.deepEqual(await json(place, ["show", "done@model_step000005", "--json"]), five);
  const { step } = await json(place, ["show", "done@final", "--json"]);
  assert.equal(step, 8);
});

Deno.test("what a run goes back over is a branch, and settings are those of the step", async () => {
  await using place = await makePlace();
  const before = await eventsOf(place, "done");
  await alone(["resume", "done", "--at", "5", "--lr", "0.01", ...place.runs]);
  const rate = async (at: string, ...more: readonly string[]) =>
    (await json(place, ["show", at, "--json", ...more])).config.optimizer.learningRate;
  assert.deepEqual([await rate("done@5"), await rate("done@6")], [0.003, 0.01]);
  assert.equal(await rate("done@6", "--branch", "1"), 0.003);
  const { stdout } = await succeeds(["log", "done", "--branch", "1", "--json", ...place.runs]);
  assert.deepEqual(parsedEvents(stdout), before);
  const branch = [/--branch|branch/, /1/, /3/];
  await refuses(place, ["show", "done", "--branch", "3"], branch);
  await refuses(place, ["log", "done", "--branch", "3"], branch);
});

Deno.test("runs --tree draws forks under their parents, and --json has the lineage", async () => {
  await using place = await makePlace();
  await succeeds(["fork", "done", "--at", "5", "--run", "b", ...place.runs]);
  await succeeds(["fork", "b", "--run", "c", "--weights-only", ...place.runs]);
  const { stdout } = await succeeds(["runs", "--tree", ...place.runs]);
  const lines = stdout.trimEnd().split("\n").map((line) => line.replace(/ +/g, " ").trimEnd());
  assert.match(lines[1]!, /^done completed 8\/8 /);
  assert.match(lines[2]!, /^`- b from done@5 running 5\/8 /);
  assert.match(lines[3]!, /^ `- c weights of b@5 running 0\/8 /);
  assert.match(lines[4]!, /^long completed 60\/60 /);
  const rows: readonly Row[] = await json(place, ["runs", "--tree", "--json"]);
  assert.deepEqual(
    rows.map(({ runId, parent, parentStep, takes }) => [runId, parent, parentStep, takes]),
    [
      ["b", "done", 5, "state"],
      ["c", "b", 5, "weights"],
      ["done", null, null, null],
      ["long", null, null, null],
    ],
  );
});

Deno.test("wrong use exits 2, says what was expected, and changes nothing", async () => {
  await using place = await makePlace();
  const before = readLog(place, "done");
  const tries: readonly (readonly [readonly string[], ...RegExp[]])[] = [
    [["resume", "done", "--at", "99"], /no place "99"/, /ends at step 8/],
    [["resume", "done", "--at", "nowhere"], /"nowhere"/, /a step such as/, /step-001200/],
    [["fork", "done", "--run", "long"], /"long" exists already/, /--run NAME/],
    [["fork", "done", "--run", "a/b"], /"a\/b" cannot name a run/],
    [["fork", "done", "--without-samples", "99999999"], /Sample 99999999/, /from 0 to 72405/],
    [
      ["fork", "done", "--without-samples", "some,words"],
      /--without-samples/,
      /"some"/,
      /3,17,40-45/,
    ],
    [["fork", "done", "--without-samples", "9-3"], /--without-samples/, /"9-3"/],
    [["fork", "done", "--without-samples", "@missing"], /--without-samples/, /"missing"/],
    [["fork", "done", "--at", "4", "--skip-batch", "2"], /step 2/, /a step after 4/],
    [["fork", "done", "--set", "model.layers=2"], /model\.layers: recorded 1, asked for 2/],
    [["materialize", "done@99"], /no place "99"/, /ends at step 8/],
    [["materialize", "done@"], /no place ""/, /expected a step such as/],
    [["show", "done", "--branch", "3"], /"done" .*branch/],
    [["show", "done@nowhere"], /no place "nowhere"/, /expected a step such as/],
    [["resume", "done", "--on-divergence", "maybe"], /--on-divergence/, /"stop" and "fork"/],
  ];
  for (const [args, ...messages] of tries) await refuses(place, args, messages);
  assert.equal(readLog(place, "done"), before);
  const rows: readonly Row[] = await json(place, ["runs", "--json"]);
  assert.deepEqual(rows.map(({ runId }) => runId), ["done", "long"], "a refused fork left a run");
});

Deno.test("what a resume of a complete run does not take on, and what continues a paused one, is said", async () => {
  await using place = await makePlace();
  const { stdout } = await succeeds(["resume", "done", "--lr", "0.01", ...place.runs]);
  assert.match(
    stdout,
    /No step is left for which optimizer\.learningRate could change: it stays 0\.003\./,
  );
  assert.match(stdout, /--max-steps N .*--at STEP/);
  const paused = await succeeds(["resume", "done", "--at", "4", "--until", "5", ...place.runs]);
  assert.match(paused.stdout, /paused at step 5\. `foldlog resume done` continues it\./);
  await succeeds(["resume", "done", ...place.runs]);
  const types = (await eventsOf(place, "done")).map(({ type }) => type);
  assert.equal(types.filter((type) => type === "RunPaused").length, 1);
  assert.equal((await json(place, ["show", "done", "--json"])).step, 8);
});

/** Goes back to step 50 of "long", which is recomputed from the start, and then far on. */
const BACK = ["resume", "long", "--at", "50", "--lr", "0.01", "--max-steps", "160"];

/** The log of "long" after that, where nothing was killed: trained once. */
const untouched = lazily(async () => {
  await using place = await makePlace();
  await alone([...BACK, ...place.runs]);
  return readLog(place, "long");
});

Deno.test("killed before it went back, or just after, a run ends as one that was not killed", async () => {
  const expected = lines(await untouched());
  await using place = await makePlace();
  const before = readLog(place, "long");
  await killed(BACK, place, { signal: "SIGKILL", when: /; recomputing steps 1 to 50/ });
  assert.equal(readLog(place, "long"), before, "something was written before it was compared");

  const when = () => readLog(place, "long").includes('"ConfigChanged"');
  await killed(BACK, place, { signal: "SIGKILL", when });
  assert.ok(readLog(place, "long").startsWith(before), "a line that was acknowledged is changed");
  const { stdout } = await alone(["resume", "long", ...place.runs]);
  assert.match(stdout, /all equal, bit for bit|nothing to recompute/);
  assertSameLines(lines(readLog(place, "long")), expected);
  await succeeds(["verify", "long", ...place.runs]);
});

Deno.test("killed when only the going back was written, the same command ends the run as wished", async () => {
  await using place = await makePlace();
  const whole = (await untouched()).split("\n");
  const rewound = whole.findIndex((line) => line.includes('"RunRewound"'));
  assert.ok(rewound > 0);
  // What is written at once can be cut at a page's end, and in a line.
  const torn = [...whole.slice(0, rewound + 1), whole[rewound + 1]!.slice(0, 40)].join("\n");
  Deno.writeTextFileSync(`${place.root}/long/log/00000000.jsonl`, torn);
  Deno.removeSync(`${place.root}/long/state.json`);
  await succeeds([...BACK, ...place.runs]);
  assertSameLines(lines(readLog(place, "long")), lines(await untouched()));
  await succeeds(["verify", "long", ...place.runs]);
});

Deno.test("a forged loss stops a resume; with --on-divergence fork it goes on beside, and says why", async () => {
  await using place = await makePlace();
  const store = fileStore(place.root);
  await forged(store, otherLoss(5), store, { from: "done", to: "theirs" });
  const before = Deno.readFileSync(`${place.root}/theirs/log/00000000.jsonl`);
  await succeeds(["verify", "theirs", ...place.runs]);

  const stopped = await cli.run(["resume", "theirs", "--at", "5", ...place.runs]);
  assert.equal(stopped.code, 1, stopped.stdout);
  assert.match(stopped.stderr, /Step 5 is not what the log recorded/);
  assert.match(stopped.stderr, /loss: recorded \d+\.\d+, recomputed \d+\.\d+/);
  assert.match(stopped.stderr, /--on-divergence fork/);

  const asked = ["resume", "theirs", "--at", "5", "--on-divergence", "fork"];
  const { stdout } = await succeeds([...asked, ...place.runs]);
  assert.match(stdout, /step 5 could not .*as the fork "theirs-fork" from step 3/);
  const fork = await json(place, ["show", "theirs-fork", "--json"]);
  assert.deepEqual([fork.status, fork.step], ["completed", 8]);
  const { parent, divergence, step } = fork.origin;
  assert.deepEqual([parent.run, parent.step, divergence, step], ["theirs", 3, 5, 3]);
  const shown = await succeeds(["show", "theirs-fork", ...place.runs]);
  assert.match(shown.stdout, /since its step 5 could not be recomputed/);
  const same = await cli.run(["diff", "done@8", "theirs-fork@8", ...place.runs]);
  assert.match(same.stdout, /The states of step 8 are equal/);
  const after = Deno.readFileSync(`${place.root}/theirs/log/00000000.jsonl`);
  assert.deepEqual(after, before, "the log that could not be recomputed was changed");
});

interface Place extends AsyncDisposable {
  readonly root: string;
  /** The flag that names it. */
  readonly runs: readonly string[];
}

/** A copy of the two runs, that is removed in the end. */
async function makePlace(): Promise<Place> {
  const root = `${await Deno.makeTempDir()}/runs`;
  const { success } = await new Deno.Command("cp", { args: ["-r", template, root] }).output();
  assert.ok(success);
  return {
    root,
    runs: ["--runs", root],
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

interface Row {
  readonly runId: string;
  readonly parent: string | null;
  readonly parentStep: number | null;
  readonly takes: string | null;
}

interface Event {
  readonly type: string;
  readonly data: { readonly loss: number };
}

// deno-lint-ignore no-explicit-any -- what a program reads
async function json({ runs }: Place, args: readonly string[]): Promise<any> {
  return JSON.parse((await succeeds([...args, ...runs])).stdout);
}

async function eventsOf({ runs }: Place, run: string): Promise<readonly Event[]> {
  return parsedEvents((await succeeds(["log", run, "--json", ...runs])).stdout);
}

function parsedEvents(text: string): readonly Event[] {
  return text.trimEnd().split("\n").map((line) => JSON.parse(line).event);
}

/** The events of a log, each as text. */
function lines(log: string): readonly string[] {
  return parsedEvents(log).map((event) => JSON.stringify(event));
}

function assertSameLines(found: readonly string[], expected: readonly string[]): void {
  const parting = found.findIndex((event, position) => event !== expected[position]);
  assert.deepEqual([parting, found[parting], found.length], [-1, undefined, expected.length]);
}

function readLog({ root }: Place, run: string): string {
  return Deno.readTextFileSync(`${root}/${run}/log/00000000.jsonl`);
}

/** What is made once, when it is first asked for. */
function lazily<A>(make: () => Promise<A>): () => Promise<A> {
  let made: Promise<A> | undefined;
  return () => made ??= make();
}

async function killed(args: readonly string[], { runs }: Place, kill: Kill): Promise<void> {
  const { signal, stdout } = await runCli([...args, ...runs], { kills: [kill] });
  assert.equal(signal, "SIGKILL", stdout);
}

async function succeeds(args: readonly string[]): Promise<Printed> {
  return succeeded(args, await cli.run(args));
}

/** Does it in a process of its own. */
async function alone(args: readonly string[]): Promise<Printed> {
  return succeeded(args, await runCli(args));
}

function succeeded(args: readonly string[], result: Printed): Printed {
  assert.equal(result.code, 0, `foldlog ${args.join(" ")}:\n${result.stdout}${result.stderr}`);
  return result;
}

async function refuses(
  { runs }: Place,
  args: readonly string[],
  messages: readonly RegExp[],
): Promise<void> {
  const { code, stdout, stderr } = await cli.run([...args, ...runs]);
  const text = `foldlog ${args.join(" ")}:\n${stdout}${stderr}`;
  assert.equal(code, 2, text);
  for (const message of messages) assert.match(stderr, message, text);
  assert.doesNotMatch(stderr, /^\s+at .*:\d+|undefined|\[object |Uncaught/m);
}
