import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { verbs } from "../../src/cli/grammar/verbs.ts";
import { encodeLine, seal } from "../../src/codec/envelope_codec.ts";
import type { RunEvent } from "../../src/core/event.ts";
import type { RecordedEvent } from "../../src/core/recorded_event.ts";
import type { Printed } from "../support/foldlog_here.ts";
import { type CliRequest, openCli } from "../support/open_cli.ts";
import {
  type CliResult,
  commandLine,
  runCli,
  runCliOnTerminal,
  terminalAvailable,
} from "../support/run_cli.ts";
import { SMALL_MODEL } from "../support/small_model.ts";

const VERBS = Object.keys(verbs);

/** A training of eight steps that takes a second. */
const SMALL = [...SMALL_MODEL, "--max-steps", "8", "--save-every", "3"];

/** One process for the commands whose process is not the claim; those have one of their own by `alone`. */
const cli = openCli();
Deno.test.afterAll(() => cli.close());

/** Two runs: "done" is complete, "half" is paused at step 5 of 8. Tests that write work on a copy. */
const template = Deno.makeTempDirSync();
Deno.test.beforeAll(async () => {
  await alone(["train", "--run", "done", "--runs", template, ...SMALL]);
  await succeeds(["train", "--run", "half", "--until", "5", "--runs", template, ...SMALL]);
});
Deno.test.afterAll(() => Deno.remove(template, { recursive: true }));

Deno.test("--help of the command and of each verb says how it is used and exits 0", async () => {
  const { stdout } = await alone(["--help"]);
  for (const verb of VERBS) {
    assert.match(stdout, new RegExp(verb));
    const help = await cli.run([verb, "--help"]);
    assert.deepEqual([help.code, help.stderr], [0, ""], verb);
    assert.match(help.stdout, /^Usage: foldlog/m);
    assert.match(help.stdout, new RegExp(verb));
  }
});

Deno.test("--help names the values that a flag takes", async () => {
  const { stdout } = await succeeds(["train", "--help"]);
  for (const values of ["none|zstd|zstd-delta", "auto|webgpu|wasm|cpu", "auto|never|must"]) {
    assert.ok(stdout.includes(values), values);
  }
});

Deno.test("a wrong flag exits 2 and shows how its verb is used, and no other", async () => {
  const { code, stderr } = await runCli(["gc", "--foo"]);
  assert.equal(code, 2);
  for (const text of [`"--foo"`, "foldlog gc [--dry-run]"]) {
    assert.ok(stderr.includes(text), stderr);
  }
  for (const verb of VERBS) if (verb !== "gc") assert.ok(!stderr.includes(`foldlog ${verb}`), verb);
});

Deno.test("--version prints the version of deno.json", async () => {
  const { stdout } = await succeeds(["--version"]);
  assert.equal(stdout.trim(), config.version);
});

Deno.test("show --json has what the contract promises", async () => {
  const half = await show(template, "half");
  const { runId, status, step, epoch, recipe, backend } = half;
  assert.deepEqual({ runId, status, step, epoch, recipe, backend }, {
    runId: "half",
    status: "paused",
    step: 5,
    epoch: 0,
    recipe: "moby-gpt",
    backend: "wasm",
  });
  assert.equal(half.config.steps.max, 8);
  assert.equal(half.config.model.channels, 16);
  const steps = eventsOf(template, "half").flatMap(({ event }) =>
    event.type === "StepTaken" ? [event.data.loss] : []
  );
  assert.equal(half.lastLoss, steps[4]);
  const evaluations = eventsOf(template, "half").flatMap(({ event }) =>
    event.type === "EvaluationTaken" ? [event.data.loss] : []
  );
  assert.deepEqual(evaluations, [half.bestLoss]);
  assert.deepEqual(half.snapshots.map(({ step }) => step), [3, 5]);
  for (const { id } of half.snapshots) assert.match(id, /^[0-9a-f]{64}$/);
  const done = await show(template, "done");
  assert.deepEqual([done.status, done.step], ["completed", 8]);
  assert.deepEqual(done.snapshots.map(({ step }) => step), [3, 6, 8]);
});

Deno.test("show prints the run's name, status, step and settings for people", async () => {
  const { stdout } = await succeeds(["show", "half", "--runs", template]);
  for (const text of [/half/, /paused/, /5 of 8/, /moby-gpt/, /wasm/, /model\.channels +16/]) {
    assert.match(stdout, text);
  }
  assertForPeople(stdout);
});

Deno.test("show says what a run takes on disk, all of it and a step", async () => {
  const { disk } = await show(template, "done");
  const sizesBelow = (path: string): readonly number[] =>
    [...Deno.readDirSync(path)].flatMap(({ name, isFile }) =>
      isFile ? [Deno.statSync(`${path}/${name}`).size] : sizesBelow(`${path}/${name}`)
    );
  const sum = (sizes: readonly number[]) => sizes.reduce((all, size) => all + size, 0);
  assert.equal(disk.log, sum(sizesBelow(`${template}/done/log`)));
  assert.equal(disk.snapshots, sum(sizesBelow(`${template}/done/checkpoints`)));
  assert.equal(disk.perStep, (disk.log + disk.snapshots) / 8);
  const { stdout } = await succeeds(["show", "done", "--runs", template]);
  assert.match(stdout, /\ndisk +log [\d,]+ bytes, snapshots [\d,]+ bytes: [\d,]+ bytes a step\n/);
});

Deno.test("runs --json is an array of the runs, sorted; runs prints a line for each", async () => {
  const { stdout } = await succeeds(["runs", "--json", "--runs", template]);
  const rows: readonly Record<string, unknown>[] = JSON.parse(stdout);
  assert.deepEqual(
    rows.map(({ runId, status, step, recipe }) => ({ runId, status, step, recipe })),
    [
      { runId: "done", status: "completed", step: 8, recipe: "moby-gpt" },
      { runId: "half", status: "paused", step: 5, recipe: "moby-gpt" },
    ],
  );
  const lines = (await succeeds(["runs", "--runs", template])).stdout.trimEnd().split("\n");
  assert.equal(lines.length, 3);
  assert.match(lines[1]!, /^done +moby-gpt +completed +8\/8 /);
  assert.match(lines[2]!, /^half +moby-gpt +paused +5\/8 /);
});

Deno.test("runs of a directory that is not there lists none, and does not make it", async () => {
  await using place = makePlace();
  assert.equal((await succeeds(["runs", "--json", "--runs", place.root])).stdout, "[]\n");
  const { stdout, stderr } = await succeeds(["runs", "--runs", place.root]);
  assert.match(stdout, /no runs/);
  assert.match(stderr, /There is no directory .*\/runs\. `--runs DIR`/);
  for (const more of [[], ["--dry-run"]]) {
    await refuses(["gc", ...more, "--runs", place.root], [/There is no directory .*\/runs\./]);
  }
  assert.deepEqual(namesIn(place.parent), []);
});

Deno.test("log --json prints the stored lines exactly; log prints a line for each event", async () => {
  for (const run of ["done", "half"]) {
    const stored = readLog(template, run);
    assert.equal((await succeeds(["log", run, "--json", "--runs", template])).stdout, stored);
    const lines = (await succeeds(["log", run, "--runs", template])).stdout.trimEnd().split("\n");
    assert.equal(lines.length, stored.trimEnd().split("\n").length);
    for (const [position, { event }] of eventsOf(template, run).entries()) {
      assert.match(lines[position]!, new RegExp(`^ *${position} .* ${event.type} `));
      assertForPeople(lines[position]!);
    }
  }
});

Deno.test("log ends quietly when nobody reads on", async () => {
  await using place = makePlace(["done"]);
  const [started, step] = eventsOf(place.root, "done").map(({ event }) => event);
  writeLog(place.root, "done", chain([started!, ...Array.from({ length: 2000 }, () => step!)]));
  const [deno, ...before] = commandLine();
  const child = new Deno.Command(deno!, {
    args: [...before, "log", "done", "--json", "--runs", place.root],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.stdout.getReader();
  await output.read();
  await output.cancel();
  const errors = await new Response(child.stderr).text();
  assert.doesNotMatch(errors, /panicked|^\s+at |Uncaught|Broken pipe/m);
  assert.ok((await child.status).success || (await child.status).signal === "SIGPIPE");
});

Deno.test("checkpoints --json is an array, oldest first, and --latest the newest alone", async () => {
  const { snapshots } = await show(template, "done");
  const { stdout } = await succeeds(["checkpoints", "done", "--json", "--runs", template]);
  const rows: readonly (Record<string, unknown> & { path: string })[] = JSON.parse(stdout);
  assert.deepEqual(rows.map(({ step, id }) => ({ step, id })), snapshots);
  assert.deepEqual(rows.map(({ name }) => name), ["step-000003", "step-000006", "step-000008"]);
  for (const { path } of rows) {
    assert.deepEqual(namesIn(path), [
      "manifest.json",
      "model.safetensors",
      "optimizer.safetensors",
    ]);
  }
  const latest = await succeeds(["checkpoints", "done", "--latest", "--json", "--runs", template]);
  assert.deepEqual(JSON.parse(latest.stdout), [rows[2]]);
  const plain = await succeeds(["checkpoints", "done", "--runs", template]);
  assert.equal(plain.stdout.trimEnd().split("\n").length, 6);
  assert.match(
    plain.stdout,
    /\n3 in .*\/done\/checkpoints: log [\d,]+ bytes, snapshots [\d,]+ bytes: [\d,]+ bytes a step\n$/,
  );
  assertForPeople(plain.stdout);
});

Deno.test("verify exits 0 and says ok where all is as recorded", async () => {
  for (const run of ["done", "half"]) {
    const { stdout } = await alone(["verify", run, "--json", "--runs", template]);
    const report = JSON.parse(stdout);
    assert.deepEqual([report.ok, report.problems], [true, []]);
    assert.equal(report.steps, run === "done" ? 8 : 5);
    assert.match((await succeeds(["verify", run, "--runs", template])).stdout, /as recorded/);
    const replay = await succeeds(["verify", run, "--replay", "--json", "--runs", template]);
    const replayed = JSON.parse(replay.stdout);
    assert.deepEqual([replayed.ok, replayed.replay.steps], [true, report.steps]);
  }
});

Deno.test("verify --replay recomputes segments on workers, some of them, and says what it would catch", async () => {
  const replay = ["verify", "done", "--replay", "--runs", template];
  for (const workers of [[], ["--workers", "2"]]) {
    const { stdout, stderr } = await succeeds([...replay, "--json", ...workers]);
    const { ok, replay: { segments, steps } } = JSON.parse(stdout);
    const found = segments.map(({ from, to }: { from: number; to: number }) => [from, to]);
    assert.deepEqual([ok, steps, found], [true, 8, [[0, 3], [3, 6], [6, 8]]]);
    assert.match(stderr, /segment 3 of 3: .* all equal/);
  }
  for (const part of [["--from", "4"], ["--to", "3", "--sample", "1"]]) {
    const { stdout } = await succeeds([...replay, ...part]);
    assert.match(
      stdout,
      part.includes("--sample") ? /1 of 1 .* chance of 1\/1/ : /5 steps recomputed/,
    );
  }
  const { stdout } = await succeeds([...replay, "--sample", "2"]);
  assert.match(stdout, /2 of 3 segments, .* chance of 2\/3 \(66\.7%\)/);
});

Deno.test("options of a replay are refused where they mean nothing", async () => {
  const verify = ["verify", "done", "--runs", template];
  for (const one of [["--from", "3"], ["--to", "3"], ["--sample", "2"], ["--workers", "2"]]) {
    await refuses([...verify, ...one], [/--replay/, new RegExp(one[0]!)]);
    await refuses([...verify, "--repair", ...one], [/--replay/]);
  }
  for (
    const wrong of [
      ["--from", "5", "--to", "4"],
      ["--from", "9"],
      ["--to", "9"],
      ["--workers", "0"],
      ["--sample", "0"],
    ]
  ) {
    await refuses([...verify, "--replay", ...wrong], [/\d/]);
  }
});

Deno.test("diff exits 0 where nothing differs, and 1 where a run is shorter", async () => {
  const equal = await succeeds(["diff", "done@3", "half", "--runs", template]);
  assert.match(equal.stdout, /Steps 1 to 3, which both have, are equal\./);
  assert.match(equal.stdout, /states of step 3 are equal: \d+ leaves\.\n\nNothing differs\./);
  const shorter = await runCli(["diff", "done", "half", "--runs", template]);
  assert.deepEqual([shorter.code, shorter.stderr], [1, ""]);
  assert.match(shorter.stdout, /^b: run "half", steps 0 to 5$/m);
  assert.match(shorter.stdout, /Steps 1 to 5, which both have, are equal\./);
  assert.doesNotMatch(shorter.stdout, /Nothing differs/);
});

Deno.test("diff shows where a run with another learning rate parts, down to the elements", async () => {
  await using place = makePlace(["done"]);
  const args = ["train", "--run", "other", "--lr", "0.01", "--until", "3", ...SMALL];
  await succeeds([...args, "--runs", place.root]);
  const { code, stdout } = await cli.run(["diff", "done", "other", "--runs", place.root]);
  assert.equal(code, 1);
  assert.match(
    stdout,
    /first difference is at step 2: StepTaken\.\nmember +done +other\n +learningRate /,
  );
  assert.match(stdout, /settings +done +other\n +optimizer\.learningRate +\S+ +0\.01\n/);
  assert.match(stdout, /states of step 3: \d+ of \d+ leaves differ\.\nLEAF +SHAPE +DIFFERING/);
  assert.match(
    stdout,
    /^model\/\S+ +\[\d+(,\d+)*\] +\d+ of \d+ +\[0\S*\] +-?\S+ +-?\S+ +\S+ +\d+$/m,
  );
  assertForPeople(stdout);
  const json = await cli.run(["diff", "done@3", "other@3", "--json", "--runs", place.root]);
  assert.equal(json.code, 1);
  const { same, a, b, event, config, identity, state } = JSON.parse(json.stdout);
  assert.deepEqual([same, a, b], [
    false,
    { run: "done", from: 0, to: 3 },
    { run: "other", from: 0, to: 3 },
  ]);
  assert.equal(event.step, 2); // the rate of the first is 0: it warms up
  assert.deepEqual([config[0].name, config[0].b, identity], ["optimizer.learningRate", 0.01, []]);
  assert.match(state.differing[0].first.a.bits, /^[0-9a-f]{8}$/);
});

Deno.test("diff refuses what it cannot compare, and says what helps", async () => {
  const refused: readonly [args: readonly string[], messages: readonly RegExp[]][] = [
    [["done"], [/foldlog diff/]],
    [["done", "half@last"], [/a step after "half@"/, /half@1200/, /"last"/]],
    [["done", "half@6"], [/"half" has no step 6/, /from 0 to 5/]],
    [["done", "gone"], [/no run "gone"/]],
  ];
  for (const [args, messages] of refused) {
    await refuses(["diff", ...args, "--runs", template], messages);
  }
});

Deno.test("verify exits 1 and names the snapshot where one is damaged or missing", async () => {
  for (const damage of ["damaged", "missing"]) {
    await using place = makePlace(["done"]);
    const { id, step } = (await show(place.root, "done")).snapshots[1]!;
    const path = `${place.root}/objects/${id.slice(0, 2)}/${id}`;
    Deno.chmodSync(path, 0o644);
    if (damage === "missing") Deno.removeSync(path);
    else Deno.writeTextFileSync(path, "{}");
    const { code, stdout } = await cli.run(["verify", "done", "--json", "--runs", place.root]);
    assert.equal(code, 1);
    const { ok, problems } = JSON.parse(stdout);
    assert.equal(ok, false);
    assert.deepEqual(problems.map((problem: { step: number }) => problem.step), [step]);
    assert.match(problems[0].message, new RegExp(damage));
    const plain = await cli.run(["verify", "done", "--runs", place.root]);
    assert.equal(plain.code, 1);
    assert.match(plain.stdout, new RegExp(damage));
    assertForPeople(plain.stdout);
  }
});

Deno.test("verify exits 1 and names the position where the log is damaged", async () => {
  await using place = makePlace(["done"]);
  damageLog(place.root, "done", 3);
  for (const replay of [[], ["--replay"]]) {
    const args = ["verify", "done", ...replay, "--runs", place.root];
    const { code, stdout } = await cli.run([...args, "--json"]);
    assert.equal(code, 1);
    const { ok, problems } = JSON.parse(stdout);
    assert.equal(ok, false);
    assert.deepEqual([problems[0].type, problems[0].position], ["LogDamaged", 3]);
    const plain = await cli.run(args);
    assert.equal(plain.code, 1);
    assert.match(plain.stdout, /position 3 .*00000000\.jsonl line 4/);
  }
});

Deno.test("verify exits 1 where a step is missing from a log whose chain fits", async () => {
  await using place = makePlace(["done"]);
  const events = eventsOf(place.root, "done").map(({ event }) => event);
  writeLog(place.root, "done", chain(events.filter((_, position) => position !== 2)));
  const { code, stdout } = await cli.run(["verify", "done", "--json", "--runs", place.root]);
  assert.equal(code, 1);
  const { problems } = JSON.parse(stdout);
  assert.match(problems[0].message, /position 2: expected step 2, found 3/);
});

Deno.test("a forged loss is found by replay, which names its step, and stops a resume", async () => {
  await using place = makePlace(["half"]);
  const forged = eventsOf(place.root, "half").map(({ event }) =>
    event.type === "StepTaken" && event.data.step === 5
      ? { ...event, data: { ...event.data, loss: event.data.loss + 2 ** -20 } }
      : event
  );
  // Without the snapshot of step 5, so that step 5 is recomputed from that of step 3.
  writeLog(place.root, "half", chain(forged.slice(0, -2)));
  const before = readLog(place.root, "half");
  await succeeds(["verify", "half", "--runs", place.root]);
  const verify = await cli.run(["verify", "half", "--replay", "--json", "--runs", place.root]);
  assert.equal(verify.code, 1);
  const { ok, problems } = JSON.parse(verify.stdout);
  assert.deepEqual([ok, problems[0].type, problems[0].step], [false, "Diverged", 5]);
  const beside = ["verify", "half", "--replay", "--workers", "2", "--runs", place.root];
  const { code, stdout } = await cli.run(beside);
  assert.deepEqual([code, /^Step 5 is not what the log recorded/m.test(stdout)], [1, true]);
  const train = await cli.run(["train", "--run", "half", "--runs", place.root, ...SMALL]);
  assert.equal(train.code, 1);
  assert.match(train.stderr, /Step 5 is not what the log recorded/);
  assert.match(train.stderr, /loss: recorded \d+\.\d+, recomputed \d+\.\d+/);
  assertForPeople(train.stderr);
  assert.equal(readLog(place.root, "half"), before, "something was appended");
});

Deno.test("train --json prints the run alone on standard output", async () => {
  await using place = makePlace();
  const { stdout, stderr } = await succeeds(["train", "--json", "--runs", place.root, ...SMALL]);
  const { runId, status, step, snapshots } = JSON.parse(stdout);
  assert.deepEqual([runId, status, step, snapshots.length], ["moby-gpt", "completed", 8, 3]);
  assert.match(stderr, /backend: wasm/);
});

Deno.test("train shows the loss, the reference and a sample without control characters", async () => {
  await using place = makePlace();
  const { stdout } = await succeeds(["train", "--run", "x", "--runs", place.root, ...SMALL]);
  assert.match(stdout, /completed at step 8: last loss \d\.\d{4}, best \d\.\d{4} at step \d/);
  assert.match(stdout, /unigram entropy of the text: \d\.\d{4}/);
  assert.match(stdout, /sample:\nCHAPTER 1\. /);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(stdout, /[\x00-\x08\x0b-\x1f\x7f]/, "a terminal would obey these");
});

Deno.test("train --list shows the recipes and their settings", async () => {
  const { stdout } = await succeeds(["train", "--list"]);
  assert.match(stdout, /moby-gpt/);
  assert.match(stdout, /optimizer\.learningRate/);
  const rows = JSON.parse((await succeeds(["train", "--list", "--json"])).stdout);
  assert.equal(rows[0].name, "moby-gpt");
  assert.equal(typeof rows[0].config.optimizer.learningRate, "number");
});

Deno.test("doctor finds backends that work and are exact, wasm among them", async () => {
  const { stdout } = await alone(["doctor", "--backend", "wasm", "--json"]);
  const { backends: [wasm, ...others], auto, freshProcesses } = JSON.parse(stdout);
  assert.equal(wasm.backend, "wasm");
  assert.equal(wasm.works, true);
  assert.deepEqual(others, [], "the others were not asked for");
  assert.ok(["webgpu", "wasm"].includes(auto));
  assert.equal(freshProcesses, 0, "the task may not start processes");
  const verdicts = wasm.selfTest.kernels.map(({ verdict }: { verdict: string }) => verdict);
  assert.deepEqual([...new Set(verdicts)].sort(), ["exact", "missing"]);
  const plain = await succeeds(["doctor"]);
  assert.match(plain.stdout, /wasm +yes/);
  assert.match(plain.stdout, new RegExp(`wasm +\\d+ +0 +1 +0 +${wasm.selfTest.digest}`));
  assert.match(plain.stdout, /wasm: Conv2DBackpropFilter: missing/);
  assertForPeople(plain.stdout);
});

Deno.test("doctor finds the kernels that a run recorded, and prints the digest that show prints", async () => {
  const at = ["done", "--runs", template];
  const { stdout } = await succeeds(["doctor", "--backend", "wasm", "--json"]);
  const shown = await succeeds(["show", ...at, "--json"]);
  const [wasm] = JSON.parse(stdout).backends;
  assert.ok(Object.keys(wasm.kernels).length > 30);
  assert.deepEqual(JSON.parse(shown.stdout).environment.kernels, wasm.kernels);
  const digest = /kernels +([0-9a-f]{16})\n/.exec((await succeeds(["show", ...at])).stdout)?.[1];
  assert.ok(digest !== undefined);
  const plain = await succeeds(["doctor", "--backend", "wasm"]);
  assert.match(plain.stdout, new RegExp(`wasm +yes +.+ ${digest}`));
});

Deno.test("train on a run that is there continues it; nothing is asked without a terminal", async () => {
  await using place = makePlace(["half"]);
  const { stdout } = await alone(["train", "--run", "half", "--runs", place.root, ...SMALL]);
  assert.doesNotMatch(stdout, /Continue it\?/);
  assert.match(stdout, /Resumed at global_step=5, /);
  assert.match(stdout, /completed at step 8/);
  assert.deepEqual(trainingOf(place.root, "half"), trainingOf(template, "done"));
  const again = await succeeds(["train", "--run", "half", "--runs", place.root, ...SMALL]);
  assert.match(again.stdout, /complete already/);
});

Deno.test("train continues with the recorded settings where none are given", async () => {
  await using place = makePlace(["half"]);
  await succeeds(["train", "--run", "half", "--runs", place.root]);
  assert.deepEqual(trainingOf(place.root, "half"), trainingOf(template, "done"));
});

Deno.test("resume continues a run, and --until pauses it on the way", async () => {
  await using place = makePlace(["half"]);
  await succeeds(["resume", "half", "--until", "7", "--runs", place.root]);
  const { status, step, snapshots } = await show(place.root, "half");
  assert.deepEqual([status, step, snapshots.at(-1)!.step], ["paused", 7, 7]);
  const there = await succeeds(["resume", "half", "--until", "7", "--runs", place.root]);
  assert.match(there.stdout, /paused at step 7\. `foldlog resume half` continues it/);
  await alone(["resume", "half", "--runs", place.root]);
  assert.deepEqual(trainingOf(place.root, "half"), trainingOf(template, "done"));
});

Deno.test("--resume must continues; --resume never starts beside", async () => {
  await using place = makePlace(["half", "done"]);
  copyDirectory(`${place.root}/done`, `${place.root}/half-2`);
  const args = ["train", "--run", "half", "--runs", place.root, ...SMALL];
  const before = readLog(place.root, "half");
  const { stdout } = await succeeds([...args, "--resume", "never", "--until", "1"]);
  assert.match(stdout, /"half" stays as it is; starting "half-3"/);
  assert.equal((await show(place.root, "half-3")).step, 1);
  assert.equal(readLog(place.root, "half"), before);
  await succeeds([...args, "--resume", "must", "--until", "6"]);
  assert.equal((await show(place.root, "half")).step, 6);
});

Deno.test("FOLDLOG_RUNS and FOLDLOG_BACKEND stand for the flags, which win", async () => {
  await using place = makePlace();
  const env = { FOLDLOG_RUNS: place.root, FOLDLOG_BACKEND: "cpu" };
  const small = SMALL.slice(2); // without its --backend
  await alone(["train", "--run", "x", "--until", "1", ...small], { env, cwd: place.parent });
  assert.deepEqual(
    (await alone(["runs"], { env, cwd: place.parent })).stdout.match(/^x .*/m)?.length,
    1,
  );
  const { backend, step } = await show(place.root, "x");
  assert.deepEqual([backend, step], ["cpu", 1]);
  const elsewhere = `${place.parent}/elsewhere`;
  await succeeds(["train", "--run", "y", "--until", "1", "--runs", elsewhere, ...SMALL], {
    env,
    cwd: place.parent,
  });
  assert.equal((await show(elsewhere, "y")).backend, "wasm");
  assert.deepEqual(namesIn(place.root), ["objects", "x"]);
});

Deno.test("runs are kept in runs/ where nothing else is said", async () => {
  await using place = makePlace();
  await succeeds(["train", "--run", "x", "--until", "1", ...SMALL], { cwd: place.parent });
  assert.deepEqual(namesIn(`${place.parent}/runs`), ["objects", "x"]);
});

Deno.test("another backend is refused, or recorded as the end of exactness", async () => {
  await using place = makePlace(["half"]);
  const args = ["train", "--run", "half", "--runs", place.root, "--backend", "cpu"];
  const before = readLog(place.root, "half");
  await refuses(args, [
    /backend: recorded "wasm", now "cpu"/,
    /kernels compute other bits here: \S+, .* and \d+ more/,
    /--accept-environment/,
  ]);
  assert.equal(readLog(place.root, "half"), before);
  await succeeds([...args, "--accept-environment", "--until", "6"]);
  const { backend, step } = await show(place.root, "half");
  assert.deepEqual([backend, step], ["cpu", 6]);
  const resumed = eventsOf(place.root, "half").find(({ event }) => event.type === "RunResumed");
  assert.ok(resumed?.event.type === "RunResumed" && resumed.event.data.environment !== undefined);
});

Deno.test("a run that another process trains can be looked at, and not be written", async () => {
  await using place = makePlace();
  const args = [
    "train",
    "--run",
    "x",
    "--runs",
    place.root,
    ...SMALL,
    "--set",
    "steps.max=1000000",
  ];
  const mine = args.filter((argument) => argument !== "--max-steps" && argument !== "8");
  let looked = false;
  const first = runCli(mine, { kills: [{ signal: "SIGINT", when: () => looked }] });
  try {
    while (readLog(place.root, "x").split("\n").length < 3) await pause(20);
    await refuses(mine, [/Run "x" is being written by process \d+ since \d{4}/, /--run NAME/]);
    assert.equal((await show(place.root, "x")).status, "running");
    await succeeds(["log", "x", "--runs", place.root]);
    await succeeds(["verify", "x", "--runs", place.root]);
    assert.deepEqual(namesIn(`${place.root}/x`).includes("log"), true);
  } finally {
    looked = true;
    assert.equal((await first).code, 130);
  }
});

const terminalTest = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, ignore: !terminalAvailable, fn });

const DOWN = "\x1b[B";

terminalTest("on a terminal train asks, and yes continues", async () => {
  await using place = makePlace(["half"]);
  const { code, stdout } = await asked(place.root, "\r");
  assert.equal(code, 0, stdout);
  assert.match(stdout, /Run "half" is at step 5 of 8\. Continue it\?/);
  assert.match(stdout, /[\u2588\u2591]+ 8\/8 .*loss \d\.\d+.*steps\/s.*ETA/, "no progress bar");
  assert.equal((await show(place.root, "half")).status, "completed");
  assert.deepEqual(trainingOf(place.root, "half"), trainingOf(template, "done"));
});

terminalTest("on a terminal train asks, and no starts another beside", async () => {
  await using place = makePlace(["half"]);
  const before = readLog(place.root, "half");
  const { code, stdout } = await asked(place.root, `${DOWN}\r`, ["--until", "1"]);
  assert.equal(code, 0, stdout);
  assert.equal(readLog(place.root, "half"), before);
  assert.equal((await show(place.root, "half-2")).step, 1);
});

terminalTest("on a terminal train asks, and delete moves the run to the archive", async () => {
  await using place = makePlace(["half"]);
  const before = readLog(place.root, "half");
  const { code, stdout } = await asked(place.root, `${DOWN}${DOWN}\r`, ["--until", "1"]);
  assert.equal(code, 0, stdout);
  const { step, sessions } = await show(place.root, "half");
  assert.deepEqual([step, sessions], [1, 1]);
  const path = /moved to (\S+)/.exec(stdout)?.[1];
  assert.equal(Deno.readTextFileSync(`${path}/log/00000000.jsonl`), before);
  assert.deepEqual(trainingOf(place.root, "half"), trainingOf(template, "done").slice(0, 2));
});

for (const [name, key] of [["Ctrl+C", "\x03"], ["Esc", "\x1b"]] as const) {
  terminalTest(`on a terminal train asks, and ${name} leaves everything as it is`, async () => {
    await using place = makePlace(["half"]);
    const before = readLog(place.root, "half");
    const { code, stdout } = await asked(place.root, key);
    assert.equal(code, 130, stdout);
    assert.equal(readLog(place.root, "half"), before);
    assert.deepEqual(namesIn(place.root), ["half", "objects"]);
  });
}

terminalTest("on a terminal nothing is asked where the output goes elsewhere", async () => {
  await using place = makePlace(["half"]);
  const outputTo = `${place.parent}/out.log`;
  const args = ["train", "--run", "half", "--runs", place.root, ...SMALL, "--until", "6"];
  const { code, stdout } = await runCliOnTerminal(args, { outputTo, timeout: 30_000 });
  assert.equal(code, 0, stdout);
  assert.doesNotMatch(Deno.readTextFileSync(outputTo), /Continue it\?/);
  assert.match(Deno.readTextFileSync(outputTo), /paused at step 6/);
});

terminalTest(
  "on a terminal nothing is asked of --resume auto, nor about a complete run",
  async () => {
    await using place = makePlace(["half", "done"]);
    for (const more of [["half", "--resume", "auto", "--until", "6"], ["done"]]) {
      const args = ["train", "--runs", place.root, ...SMALL, "--run", ...more];
      const { code, stdout } = await runCliOnTerminal(args, { timeout: 30_000 });
      assert.equal(code, 0, stdout);
      assert.doesNotMatch(stdout, /Continue it\?/);
    }
  },
);

type WrongUse = readonly [args: readonly string[], messages: readonly RegExp[], Options?];

/** How a command is carried out. */
type Options = Partial<Pick<CliRequest, "cwd" | "env">>;

/** Wrong uses that need no run: nothing may be made of them. */
const WRONG: Readonly<Record<string, readonly WrongUse[]>> = {
  "verb, flag or recipe": [
    [[], [/Usage: foldlog/]],
    [["trian"], [/`trian`/, /Did you mean `train`/]],
    [["train", "--foo"], [/"--foo"/, /Usage/]],
    [["train", "--max-stepz", "3"], [/"--max-stepz"/, /mean `--max-steps`/, /\[--max-steps N\]/]],
    [["train", "moby-gpt", "twice"], [/"twice"/, /Usage/]],
    [["train", "mobygpt"], [/"mobygpt"/, /"moby-gpt"/]],
    [["train", "other"], [/"other"/, /moby-gpt/]],
    [["show"], [/RUN/, /Usage/]],
    [["train", "--run", "x", "--resume", "must"], [/no run "x"/, /runs/]],
    [["train", "--resume", "maybe"], [/--resume/, /"auto", "never",? and "must"/, /"maybe"/]],
  ],
  "number": [
    [["train", "--until", "x"], [/--until/, /integer/, /"x"/]],
    [["train", "--until", "-1"], [/--until/, /0/, /-1/]],
    [["train", "--max-steps", "0"], [/steps\.max/, /at least 1/, /"0"/]],
    [["train", "--lr", "fast"], [/--lr/, /number/, /"fast"/]],
    [["train", "--lr", "-1"], [/optimizer\.learningRate/, /at least 0/, /"-1"/]],
    [["train", "--seed", "-1"], [/seed/, /at least 0/, /"-1"/]],
    [["train", "--seed", "9007199254740993"], [/seed/]],
  ],
  "setting": [
    [["train", "--set", "model.layers=abc"], [/model\.layers/, /number/, /"abc"/]],
    [["train", "--set", "model.layers="], [/model\.layers/, /number/, /""/]],
    [["train", "--set", "data.shuffle=maybe"], [/data\.shuffle/, /boolean|true/, /"maybe"/]],
    [["train", "--set", "optimizer.name=foo"], [/optimizer\.name/, /adamw/, /"foo"/]],
    [["train", "--set", "optimizer.learningRate=NaN"], [/learningRate/, /number/, /"NaN"/]],
    [["train", "--set", "steps.max=1.5"], [/steps\.max/, /whole number/, /"1\.5"/]],
    [["train", "--set", "batch.micro=3"], [/batch\.micro/, /divides batch\.size/, /"3"/]],
    [["train", "--set", "model.layerz=2"], [/"model\.layerz"/, /mean model\.layers/]],
    [["train", "--set", "layers=2"], [/"layers"/, /mean model\.layers/]],
    [["train", "--set", "model=2"], [/"model"/, /settings/]],
    [["train", "--set", "__proto__.x=2"], [/"__proto__\.x"/, /settings/]],
    [["train", "--set", "model"], [/path=value/, /"model"/]],
    [["train", "--set", "=3"], [/path=value/, /"=3"/]],
  ],
  "model": [
    [["train", "--set", "model.channels=15", "--set", "model.heads=2"], [
      /model\.channels/,
      /multiple of model\.heads/,
      /15 and 2/,
    ]],
    [["train", "--set", "model.layers=0"], [/model\.layers/, /above 0/, /0/]],
    [["train", "--set", "model.dropout=1"], [/model\.dropout/, /0 up to/, /1/]],
    [["train", "--set", "model.context=9999999"], [/context/, /at least 10000000 bytes/]],
  ],
  "backend": [
    [["train", "--backend", "foo"], [/--backend/, /"wasm"/, /"foo"/]],
    [["train"], [/FOLDLOG_BACKEND/, /wasm/, /"foo"/], { env: { FOLDLOG_BACKEND: "foo" } }],
  ],
  "name for a run": [
    [["train", "--run", "../x"], [/"\.\.\/x"/, /letters, digits/]],
    [["train", "--run", ".hidden"], [/"\.hidden"/, /letters, digits/]],
    [["train", "--run", "objects"], [/"objects"/, /reserved/]],
    [["train", "--run", ""], [/""/, /letters, digits/]],
  ],
};

for (const [what, uses] of Object.entries(WRONG)) {
  Deno.test(`a wrong ${what} is refused with what was found and expected, and makes nothing`, async () => {
    for (const [args, messages, options] of uses) {
      await using place = makePlace();
      await refuses(args, messages, { env: { FOLDLOG_RUNS: place.root, ...options?.env } });
      assert.deepEqual(namesIn(place.parent), [], `foldlog ${args.join(" ")} made something`);
    }
  });
}

Deno.test("a run that is not there is refused by each verb, with the nearest name", async () => {
  await refuses(["show", "nobody", "--runs", template], [/no run "nobody"/, /runs/]);
  for (const verb of ["resume", "show", "log", "checkpoints", "verify"]) {
    await refuses([verb, "hal", "--runs", template], [/no run "hal"/, /mean "?half/]);
    await refuses([verb, "../half", "--runs", template], [/"\.\.\/half"/, /letters, digits/]);
  }
});

Deno.test("--resume must names only runs that are near", async () => {
  await using place = makePlace(["half", "done"]);
  const args = ["train", "--run", "hal", "--resume", "must", "--runs", place.root];
  const { stderr } = await refuses(args, [/no run "hal"/, /mean "?half/]);
  assert.doesNotMatch(stderr, /done/);
});

Deno.test("an existing run is refused other settings, and says which", async () => {
  const args = ["train", "--run", "half", "--runs", template];
  await refuses([...args, "--lr", "0.5", "--set", "model.layers=2"], [
    /optimizer\.learningRate: recorded 0\.\d+, asked for 0\.5/,
    /model\.layers: recorded 1, asked for 2/,
    /--run NAME/,
  ]);
  await refuses([...args, "--set", "steps.max=4"], [/steps\.max to be at least 5, .* found "4"/]);
});

Deno.test("a step that the run has passed is refused", async () => {
  for (const verb of [["train", "--run", "half"], ["resume", "half"]]) {
    const args = [...verb, "--until", "3", "--runs", template];
    await refuses(args, [/step 5/, /--until 3/, /later step/]);
  }
});

Deno.test("a place that cannot be written is refused, and named", async () => {
  await using place = makePlace();
  const file = `${place.parent}/file`;
  Deno.writeTextFileSync(file, "");
  for (const root of [file, `${file}/below`]) {
    await refuses(["train", "--run", "x", "--runs", root, ...SMALL], [
      new RegExp(root),
      /permissions/,
      /--runs DIR/,
    ]);
  }
  assert.equal(Deno.readTextFileSync(file), "");
});

Deno.test("a place for runs that is a file is refused by those that look, too", async () => {
  await using place = makePlace();
  const file = `${place.parent}/file`;
  Deno.writeTextFileSync(file, "");
  for (const args of [["runs"], ["show", "x"], ["verify", "x"]]) {
    await refuses([...args, "--runs", file], [new RegExp(file), /director/]);
  }
});

Deno.test("a place that is a link to nothing is refused within seconds", async () => {
  await using place = makePlace();
  Deno.symlinkSync(`${place.parent}/nothing`, `${place.parent}/link`);
  const args = ["train", "--run", "x", "--runs", `${place.parent}/link`, ...SMALL];
  const { code, stderr } = await runCli(args, { timeout: 5_000 });
  assert.equal(code, 2);
  assert.match(stderr, /link/);
  assertForPeople(stderr);
});

Deno.test("a run of a newer format is refused, and left as it is", async () => {
  await using place = makePlace(["half"]);
  const [first, ...rest] = readLog(place.root, "half").split("\n");
  const newer = first!.replace('"format":2', '"format":3');
  Deno.writeTextFileSync(segmentOf(place.root, "half"), [newer, ...rest].join("\n"));
  const before = readLog(place.root, "half");
  const tries = [["train", "--run", "half"], ...looksAt("half"), ["verify", "half"]];
  for (const args of tries) {
    await refuses([...args, "--runs", place.root], [/newer/, /format 3/, /up to 2/, /[Uu]pdate/]);
  }
  assert.equal(readLog(place.root, "half"), before);
  const { stdout } = await succeeds(["runs", "--runs", place.root]);
  assert.match(stdout, /half .*unreadable/);
});

Deno.test("a damaged log is refused with its place, and left as it is; other runs are still listed", async () => {
  await using place = makePlace(["half", "done"]);
  damageLog(place.root, "half", 4);
  const verified = await cli.run(["verify", "half", "--runs", place.root]);
  assert.equal(verified.code, 1);
  assert.match(verified.stdout, /"half" is damaged at position 4 /);
  Deno.removeSync(`${place.root}/half/state.json`); // without it the others read the whole log too
  const before = readLog(place.root, "half");
  for (const args of [["train", "--run", "half"], ...looksAt("half")]) {
    await refuses([...args, "--runs", place.root], [
      /"half" is damaged at position 4 /,
      /00000000\.jsonl line 5/,
      /backup/,
    ]);
  }
  assert.equal(readLog(place.root, "half"), before);
  const { stdout } = await succeeds(["runs", "--runs", place.root]);
  assert.match(stdout, /done .*completed/);
  assert.match(stdout, /half .*unreadable/);
});

function looksAt(run: string): readonly (readonly string[])[] {
  return [["resume", run], ["show", run], ["log", run], ["checkpoints", run]];
}

/** Carries out a command that must do what it is asked. */
async function succeeds(args: readonly string[], options?: Options): Promise<Printed> {
  return succeeded(args, await cli.run(args, options));
}

/** Does the same in a process of its own. */
async function alone(args: readonly string[], options?: Options): Promise<Printed> {
  return succeeded(args, await runCli(args, options));
}

function succeeded(args: readonly string[], result: Printed): Printed {
  assert.equal(result.code, 0, `foldlog ${args.join(" ")}:\n${result.stdout}${result.stderr}`);
  return result;
}

/** Carries out a command that must be refused with exit status 2 and a message that has all of `messages`. */
async function refuses(
  args: readonly string[],
  messages: readonly RegExp[],
  options?: Options,
): Promise<Printed> {
  const result = await cli.run(args, options);
  const text = `foldlog ${args.join(" ")}:\n${result.stdout}${result.stderr}`;
  assert.equal(result.code, 2, text);
  for (const message of messages) assert.match(result.stderr, message, text);
  assertForPeople(result.stderr);
  return result;
}

/** No stack trace, and nothing that a program forgot to put into words. */
function assertForPeople(text: string): void {
  assert.doesNotMatch(text, /^\s+at .*:\d+|undefined|\[object |Uncaught|panicked/m);
}

/** Trains "half" on a terminal and types `keys` when asked. */
async function asked(
  root: string,
  keys: string,
  more: readonly string[] = [],
): Promise<CliResult> {
  return await runCliOnTerminal(["train", "--run", "half", "--runs", root, ...SMALL, ...more], {
    answers: [{ when: /Continue it\?[^]*delete/, type: keys }],
    timeout: 30_000,
  });
}

interface Summary {
  readonly runId: string;
  readonly status: string;
  readonly step: number;
  readonly epoch: number;
  readonly recipe: string;
  readonly config: { steps: { max: number }; model: Record<string, number> };
  readonly backend: string;
  readonly lastLoss: number;
  readonly bestLoss: number;
  readonly sessions: number;
  readonly snapshots: readonly { readonly step: number; readonly id: string }[];
  readonly disk: { readonly log: number; readonly snapshots: number; readonly perStep: number };
}

async function show(root: string, run: string): Promise<Summary> {
  return JSON.parse((await succeeds(["show", run, "--json", "--runs", root])).stdout);
}

interface Place extends AsyncDisposable {
  readonly parent: string;
  /** A directory of runs, which is there only where runs were asked for. */
  readonly root: string;
}

/** A place for runs, with copies of the named ones, that is removed in the end. */
function makePlace(runs: readonly string[] = []): Place {
  const parent = Deno.makeTempDirSync();
  const root = `${parent}/runs`;
  for (const run of runs) copyDirectory(`${template}/${run}`, `${root}/${run}`);
  if (runs.length > 0) copyDirectory(`${template}/objects`, `${root}/objects`);
  return {
    parent,
    root,
    [Symbol.asyncDispose]: () => Deno.remove(parent, { recursive: true }),
  };
}

function copyDirectory(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyDirectory(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

function namesIn(path: string): readonly string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

function segmentOf(root: string, run: string): string {
  return `${root}/${run}/log/00000000.jsonl`;
}

function readLog(root: string, run: string): string {
  try {
    return Deno.readTextFileSync(segmentOf(root, run));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

function eventsOf(root: string, run: string): readonly RecordedEvent[] {
  return readLog(root, run).trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** What was trained, without the marks of its interruptions. */
function trainingOf(root: string, run: string): readonly RunEvent[] {
  return eventsOf(root, run).map(({ event }) => event).filter((event) =>
    event.type !== "RunPaused" && event.type !== "RunResumed" &&
    !(event.type === "SnapshotTaken" && event.data.reason === "paused")
  );
}

/** Puts events into envelopes whose chain fits, as a forger would. */
function chain(events: readonly RunEvent[]): readonly RecordedEvent[] {
  const recorded: RecordedEvent[] = [];
  for (const event of events) {
    const stamp = { recordedAt: "2026-07-01T12:00:00.000Z", session: 1 };
    recorded.push(seal(recorded.at(-1), event, stamp));
  }
  return recorded;
}

function writeLog(root: string, run: string, recorded: readonly RecordedEvent[]): void {
  Deno.removeSync(`${root}/${run}/state.json`); // it tells of the log as it was
  Deno.writeTextFileSync(
    segmentOf(root, run),
    recorded.map((one) => `${encodeLine(one)}\n`).join(""),
  );
}

/** Changes one digit of the step in the line at `position`. */
function damageLog(root: string, run: string, position: number): void {
  const lines = readLog(root, run).split("\n");
  lines[position] = lines[position]!.replace(/"step":\d/, '"step":9');
  Deno.writeTextFileSync(segmentOf(root, run), lines.join("\n"));
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
