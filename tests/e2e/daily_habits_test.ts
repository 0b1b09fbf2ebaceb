import assert from "node:assert/strict";
import { parseSafetensorsMetadata } from "@huggingface/hub";
import { type Bench, benchIn } from "../support/foldlog_here.ts";
import { commandLine, runCli, runCliOnTerminal, terminalAvailable } from "../support/run_cli.ts";
import { serveRanges } from "../support/serve_ranges.ts";
import { SMALL_MODEL } from "../support/small_model.ts";

/** A training of nine steps that takes a second, with evaluations and snapshots at 3, 6 and 9. */
const SMALL = [
  ...SMALL_MODEL,
  ...["--set", "evaluate.every=3", "--save-every", "3", "--max-steps", "9"],
];

const root = Deno.makeTempDirSync();
const runs = `${root}/runs`;
const { does, json, refuses }: Bench = benchIn(runs);
Deno.test.beforeAll(async () => void await does(`train moby-gpt --run done ${SMALL.join(" ")}`));
Deno.test.afterAll(() => Deno.remove(root, { recursive: true }));

Deno.test("train --config takes a preset, under --set and the short flags, and goes on with the same", async () => {
  const file = `${root}/settings.yaml`;
  await Deno.writeTextFile(
    file,
    "small:\n" +
      "  model: { layers: 1, channels: 16, heads: 2, context: 16 }\n" +
      "  batch: { size: 4, micro: 4 }\n" +
      "  evaluate.every: 0\n" +
      "test: { extends: small, steps: { max: 5 }, save: { every: 2 }, seed: 7 }\n",
  );
  const train = `train moby-gpt --run preset --backend wasm --config ${file}#test`;
  await does(`${train} --set model.channels=8 --save-every 3 --until 2`);
  const { config, step } = await json("show preset");
  assert.deepEqual(
    [step, config.steps.max, config.seed, config.save.every, config.model.channels],
    [2, 5, 7, 3, 8],
  );
  assert.equal(config.optimizer.learningRate, 3e-3); // the recipe's, which neither names
  const other = await refuses(train);
  assert.match(other, /model\.channels: recorded 8, asked for 16/);
  await Deno.writeTextFile(`${root}/lr.json5`, "{ optimizer: { learningRate: 1e-4 } }");
  const changed = await does(`resume preset --config ${root}/lr.json5`);
  assert.match(changed, /from step 2 on: optimizer\.learningRate 0\.003 -> 0\.0001 \(recorded\)/);
});

Deno.test("a config file that makes no sense is refused with all that is wrong, and no run is made", async () => {
  const file = `${root}/wrong.toml`;
  await Deno.writeTextFile(
    file,
    'seed = "3"\n[optimizer]\nlearningrate = 0.1\n[batch]\nsize = 4.5\n',
  );
  const types = await refuses(`train moby-gpt --run wrong --config ${file}`);
  assert.match(types, /seed: expected a number, found the text "3"\n/);
  assert.match(types, /optimizer\.learningrate: .*Did you mean optimizer\.learningRate\?/);
  await Deno.writeTextFile(file, "[optimizer]\nbeta1 = 2\n[batch]\nsize = 4.5\n");
  const values = await refuses(`train moby-gpt --run wrong --config ${file}`);
  assert.match(values, /wrong\.toml cannot be used:\n/);
  assert.match(values, /batch\.size: expected a whole number of at least 1, found 4\.5\n/);
  assert.match(values, /optimizer\.beta1: expected a number from 0/);
  assert.match(await refuses("train moby-gpt --config test"), /"moby-gpt" has no presets/);
  assert.match(
    await refuses("train stream-files --config tset"),
    /stream_files\.yaml has no preset "tset"\. Its presets are: test, production\./,
  );
  await refuses("train moby-gpt --config nowhere.yaml");
  await refuses(`train moby-gpt --config ${root}/wrong.toml#`);
  const ids = (await json("runs")).map(({ runId }: { runId: string }) => runId);
  assert.ok(!ids.includes("wrong"), String(ids));
});

Deno.test("export writes weights and history that independent readers accept, never over what is there", async () => {
  const out = `${root}/out`;
  const csv = (await does("export done --format csv")).trimEnd().split("\n");
  assert.equal(csv[0], "step,epoch,loss,learningRate,gradNorm,lossScale,evaluationLoss");
  assert.deepEqual(csv.slice(1).map((line) => Number(line.split(",")[0])), [
    ...[1, 2, 3, 4, 5, 6, 7, 8, 9],
  ]);
  await does(`export done@6 --format jsonl --out ${out}/history.jsonl`);
  const lines = (await Deno.readTextFile(`${out}/history.jsonl`)).trimEnd().split("\n");
  assert.equal(lines.length, 6);
  const { evaluationLoss } = JSON.parse(lines[5]!);
  assert.equal(String(evaluationLoss), csv[6]!.split(",")[6]);
  await does(`export done --format safetensors --out ${out}/model.safetensors`);
  const bytes = await Deno.readFile(`${out}/model.safetensors`);
  const path = "model.safetensors";
  const parsed = await parseSafetensorsMetadata({ repo: "a/b", path, fetch: serveRanges(bytes) });
  assert.ok(!parsed.sharded && Object.keys(parsed.header).length > 5);
  await does(`export done --format hf --checkpoints --out ${out}/hf`);
  const state = JSON.parse(await Deno.readTextFile(`${out}/hf/trainer_state.json`));
  assert.deepEqual([state.global_step, state.log_history.length], [9, 12]);
  for (const step of [3, 6, 9]) {
    const text = await Deno.readTextFile(`${out}/hf/checkpoint-${step}/trainer_state.json`);
    assert.equal(JSON.parse(text).global_step, step);
  }
  assert.match(await refuses(`export done --format csv --out ${out}/history.jsonl`), /is there/);
  assert.match(await refuses(`export done --format hf --out ${out}`), /empty directory/);
  assert.match(await refuses("export done --format safetensors"), /--out PATH/);
  assert.match(await refuses("export done --format csv --json"), /--out with --json/);
  assert.match(await refuses("export done --format csv --out="), /--out PATH, the file/);
  assert.match(await refuses(`export done --format peft --out ${out}/p`), /has no export .* peft/);
  assert.match(
    await refuses(`export done@5 --format safetensors --out ${out}/5`),
    /materialize done@5/,
  );
});

Deno.test("checkpoints --latest tells all of the newest; runs --best begins with the best", async () => {
  const [{ evaluation, learningRate, recordedAt, path }] = await json("checkpoints done --latest");
  assert.ok(Deno.statSync(path).isDirectory);
  const latest = await does("checkpoints done --latest");
  for (
    const line of [
      "name        step-000009",
      "step        9, epoch 0",
      "reason      final",
      `evaluation  ${evaluation.toFixed(4)}`,
      `lr          ${learningRate.toPrecision(3)}`,
      `time        ${recordedAt.slice(0, 10)} `,
      `where       ${path}`,
    ]
  ) assert.ok(latest.includes(`\n${line}`) || latest.startsWith(line), `${line}\n${latest}`);
  await does("fork done --at 3 --run behind");
  const order = async (line: string) =>
    (await json(line)).map(({ runId }: { runId: string }) => runId)
      .filter((id: string) => ["behind", "done"].includes(id));
  assert.deepEqual(await order("runs"), ["behind", "done"]);
  assert.deepEqual(await order("runs --best"), ["done", "behind"]);
});

Deno.test("show --plot draws the losses beneath, and does not go with --json", async () => {
  const shown = await does("show done --plot");
  assert.match(shown, /steps 1 to 9: training loss; \u{25cf} 3 evaluations\n$/u);
  assert.match(await does("show done@5 --plot"), /steps 1 to 5: .* 1 evaluation\n$/);
  assert.ok(!shown.includes("\x1b"));
  assert.match(await refuses("show done --plot --json"), /found both/);
  assert.match(await refuses("log done --follow --live"), /--live or --follow/);
  assert.match(await refuses("show done@3 --follow"), /--follow of a run alone/);
  assert.match(
    await refuses("show done@bset"),
    /Did you mean best\? Its checkpoints are step-000003, /,
  );
});

Deno.test("log and show --follow tell of a run from before it begins until it is complete", async () => {
  const watchers = [
    runCli(["log", "watched", "--follow", "--json", "--runs", runs]),
    runCli(["show", "watched", "--follow", "--plot", "--runs", runs]),
  ];
  const trained = await runCli(["train", "--run", "watched", "--runs", runs, ...SMALL]);
  assert.equal(trained.code, 0, trained.stderr);
  const [log, show] = await Promise.all(watchers);
  for (const { code, stderr } of [log!, show!]) {
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^(There is no run "watched" yet: waiting for it\. .*\n)?$/);
  }
  const stored = [...Deno.readDirSync(`${runs}/watched/log`)].map(({ name }) => name).sort()
    .map((name) => Deno.readTextFileSync(`${runs}/watched/log/${name}`)).join("");
  assert.equal(log!.stdout, stored);
  assert.match(show!.stdout, /^run +watched\n/);
  assert.match(show!.stdout, /\nstatus +completed\n/);
  assert.match(show!.stdout, /\nstep +9 of 9, epoch 0\n/);
  await does("verify watched");
});

Deno.test("Ctrl+C ends a --follow, with the exit status 0", async () => {
  await does(`train moby-gpt --run paused ${SMALL.join(" ")} --until 2`);
  const { code, stdout, stderr } = await runCli(["log", "paused", "--follow", "--runs", runs], {
    kills: [{ signal: "SIGINT", when: /RunPaused/ }],
  });
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /RunPaused .*\n$/);
});

Deno.test({
  name: "on a terminal a training begins its bar at the resumed step and ends with a chart",
  ignore: !terminalAvailable,
  async fn() {
    await does(`train moby-gpt --run bar ${SMALL.join(" ")} --until 5`);
    const { code, stdout } = await runCliOnTerminal(["resume", "bar", "--runs", runs]);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /Resumed at global_step=5, epoch 0, best loss .*, 5 steps in the history/);
    const [first] =
      / (\d)\/9 +loss \d\.\d{4} +lr \d\.\d+ +(?:[\d.]+ steps\/s +ETA \d+s|- steps\/s +ETA -)/.exec(
        stdout,
      ) ??
        [];
    assert.match(first ?? "", /^ 6\/9 /);
    assert.match(stdout, /steps 1 to 9: training loss; \u{25cf} 3 evaluations/u);
  },
});

Deno.test({
  name: "on a terminal show --follow draws the run again in its place",
  ignore: !terminalAvailable,
  async fn() {
    const args = ["show", "redrawn", "--follow", "--runs", runs];
    const showing = runCliOnTerminal(args);
    await runCli(["train", "--run", "redrawn", "--runs", runs, ...SMALL]);
    const { code, stdout } = await showing;
    assert.equal(code, 0, stdout);
    assert.match(stdout, /status +completed\nstep +9 of 9/);
  },
});

Deno.test("bash completes verbs, flags, values, runs and recipes", async () => {
  const bin = `${root}/bin`;
  await Deno.mkdir(bin);
  const command = commandLine().map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(`${bin}/foldlog`, `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
  const script = `
    source <(foldlog completion bash)
    complete_line() {
      COMP_LINE="$*" COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
      COMP_POINT=\${#COMP_LINE}
      _foldlog
      echo "\${COMPREPLY[*]}"
    }
    complete_line foldlog che
    complete_line foldlog show do
    complete_line foldlog show --pl
    complete_line foldlog train moby
    complete_line foldlog export done --format s`;
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", script],
    env: { PATH: `${bin}:${Deno.env.get("PATH")}`, FOLDLOG_RUNS: runs, NO_COLOR: "1" },
  }).output();
  const [printed = "", errors = ""] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  assert.equal(code, 0, errors);
  assert.deepEqual(printed.trimEnd().split("\n").map((line) => line.trim()), [
    "checkpoints",
    "done",
    "--plot",
    "moby-gpt",
    "safetensors",
  ]);
  for (const shell of ["zsh", "fish"]) {
    const made = await runCli(["completion", shell]);
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    assert.match(made.stdout, /foldlog/);
  }
});
