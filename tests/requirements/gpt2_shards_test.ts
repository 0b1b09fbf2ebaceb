/**
 * What users of GPT-2 trainers on token shards find here: rows E of docs/requirements.md.
 *
 * @module
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { fileStore, mergeConfig, orThrow, readParams, type TensorGroup } from "foldlog";
import { decodeSafetensors } from "foldlog/codec";
import * as E from "fp-ts/Either.js";
import { gpt2 } from "../../src/recipes/gpt2.ts";
import { type Bench, requirement } from "../support/foldlog_here.ts";
import { factsOf, historyOf, newestSnapshot, numbers, stepsIn } from "../support/recorded_facts.ts";
import { repository, runCli } from "../support/run_cli.ts";
import { writeShard } from "../support/token_shard_files.ts";

const SMALL = "--backend wasm --set batch.size=2 --set batch.micro=2 --set evaluate.batches=1 " +
  "--set evaluate.every=4 --save-every 2 --set model.context=8 --set model.vocabulary=64";

/** Tokens that no rule of the reader makes by chance. */
function tokens(seed: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => (seed * 7 + index * index) % 61);
}

/** Shards of 100 and 60 tokens and one to validate with; what trains on them, but for the steps. */
async function sharded({ runs }: Bench): Promise<string> {
  const shards = `${dirname(runs)}/shards`;
  await Deno.mkdir(shards);
  await writeShard(`${shards}/web_train_000000.bin`, tokens(1, 100));
  await writeShard(`${shards}/web_train_000001.bin`, tokens(2, 60));
  await writeShard(`${shards}/web_val_000000.bin`, tokens(3, 60));
  const data =
    `--set data.train=${shards}/web_train_*.bin --set data.validation=${shards}/web_val_*.bin`;
  return `train gpt2 --resume auto ${SMALL} ${data}`;
}

requirement("E1", "sizes by name, on shards that a pattern names, read exactly", async (bench) => {
  const { does, json, refuses, runs } = bench;
  const train = await sharded(bench);
  await does(`${train} --max-steps 4`);
  assert.match(
    await does(`${train} --max-steps 1 --run d3 --set model.size=d3`),
    /completed at step 1/,
  );
  const depth = async (run: string) =>
    [...(await orThrow(readParams(fileStore(runs), run))).keys()]
      .filter((path) => /^h\.\d+\.ln_1\.weight$/.test(path)).length;
  assert.deepEqual([await depth("gpt2"), await depth("d3")], [2, 3]);
  const sizes = await refuses(`${train} --run odd --set model.size=d13`);
  assert.match(sizes, /one of d2, d3, .*, d12, d24, d36, d48, found "d13"/);

  const [started] = await factsOf(bench, "gpt2", "RunStarted");
  assert.deepEqual(started!.data.files, [
    { name: "web_train_000000.bin", samples: 12 },
    { name: "web_train_000001.bin", samples: 7 },
  ]);
  assert.equal(started!.heldOut?.samples, 7);
  const task = await gpt2.task(mergeConfig(gpt2.config, (await json("show gpt2")).config));
  const batch = await task.data.at([1, 12]); // the second of the first shard, the first of the second
  const expected = [...tokens(1, 100).slice(8, 16), ...tokens(2, 60).slice(0, 8)];
  assert.deepEqual([...batch.tokens!.data as Int32Array], expected);
  const next = [...tokens(1, 100).slice(9, 17), ...tokens(2, 60).slice(1, 9)];
  assert.deepEqual([...batch.targets!.data as Int32Array], next);

  const text = `${runs}/speech.txt`;
  await Deno.writeTextFile(text, "Call me Ishmael. ".repeat(40));
  const { code, stderr } = await runCli(["tokenize", text, "--out", `${runs}/made`]);
  assert.equal(code, 0, stderr);
  const made = [...Deno.readDirSync(`${runs}/made`)].map(({ name }) => name).sort();
  const [shard] = made.filter((name) => name.includes("train"));
  const view = new DataView((await Deno.readFile(`${runs}/made/${shard}`)).buffer);
  const words = [0, 4, 8].map((byte) => view.getInt32(byte, true));
  assert.deepEqual(words, [20240520, 1, (view.byteLength - 1024) / 2], String(made));
  const first = [0, 1, 2, 3].map((index) => view.getUint16(1024 + 2 * index, true));
  assert.deepEqual(first, [50256, 14134, 502, 1148]); // the end of a text, "Call", " me", " Is"
});

requirement(
  "E2",
  "one run has one log, checkpoints by step, the last marked final",
  async (bench) => {
    const { does, json, runs } = bench;
    const train = `${await sharded(bench)} --max-steps 6`;
    await does(`${train} --until 3`);
    await does(train);
    const names = (await json("runs")).map(({ runId }: { runId: string }) => runId);
    assert.deepEqual(names, ["gpt2"]);
    assert.deepEqual([...Deno.readDirSync(`${runs}/gpt2/log`)].map(({ name }) => name), [
      "00000000.jsonl",
    ]);
    assert.deepEqual(await stepsIn(bench, "gpt2"), numbers(1, 6));
    const listed = await json("checkpoints gpt2");
    assert.deepEqual(listed.map(({ step }: { step: number }) => step), [2, 3, 4, 6]);
    assert.equal(listed.at(-1).reason, "final");
    assert.equal((await json("show gpt2@model_step000004")).step, 4);
    assert.equal((await json("show gpt2@final")).step, 6);
    assert.match(
      await does("resume gpt2 --at model_step000002 --until 3"),
      /gone back from step 6/,
    );
  },
);

requirement("E3", "a run has its code, its arguments and its name", async (bench) => {
  const { does, json, runs } = bench;
  await does(`${await sharded(bench)} --max-steps 1 --run named`);
  const code = `${dirname(runs)}/code`;
  const [started] = await factsOf(bench, "named", "RunStarted");
  assert.match(await does(`show named --code ${code}`), new RegExp(started!.code!.slice(0, 12)));
  for (const file of ["src/recipes/gpt2.ts", "src/app/training/step_loop.ts", "deno.lock"]) {
    assert.deepEqual(
      await Deno.readFile(`${code}/${file}`),
      await Deno.readFile(`${repository}/${file}`),
    );
  }
  const manifest = `${runs}/objects/${started!.code!.slice(0, 2)}/${started!.code}`;
  assert.ok((await Deno.stat(manifest)).isFile);
  assert.equal(started!.config.model.vocabulary, 64);
  assert.equal((await json("show named")).code, started!.code);
});

requirement(
  "E4",
  "another model is refused; another batch is refused or recorded, never just warned of",
  async (bench) => {
    const { does, refuses } = bench;
    const train = await sharded(bench);
    await does(`${train} --max-steps 6 --until 3`);
    const steps = await stepsIn(bench, "gpt2");
    const model = "--set model.size=d3 --set model.context=16 --set batch.size=4";
    for (const verb of ["train", "resume"]) {
      const said = await refuses(`${verb} gpt2 ${model}`);
      assert.match(said, /model.size: recorded d2, asked for d3/);
      assert.match(said, /model.context, model.size cannot change in a run/);
    }
    assert.match(
      await refuses("train gpt2 --set batch.size=4"),
      /batch.size: recorded 2, asked for 4/,
    );
    assert.deepEqual(await stepsIn(bench, "gpt2"), steps);
    await does("resume gpt2 --set batch.size=4 --set batch.micro=1");
    const changes = (await factsOf(bench, "gpt2", "ConfigChanged")).map(({ changes }) => changes);
    assert.deepEqual(changes, [{ "batch.micro": 1, "batch.size": 4 }]);
  },
);

requirement(
  "E5",
  "a resume takes the steps that are left; a higher number extends",
  async (bench) => {
    const { does } = bench;
    const train = await sharded(bench);
    await does(`${train} --max-steps 8 --run whole`);
    await does(`${train} --max-steps 8 --until 3`);
    assert.match(await does(`${train} --max-steps 8`), /resuming "gpt2" at step 3 of 8/);
    assert.deepEqual(await stepsIn(bench, "gpt2"), numbers(1, 8));
    assert.equal(await newestSnapshot(bench, "gpt2"), await newestSnapshot(bench, "whole"));
    assert.match(await does("resume gpt2 --max-steps 10"), /resuming "gpt2" at step 8 of 8/);
    assert.deepEqual(await stepsIn(bench, "gpt2"), numbers(1, 10));
  },
);

requirement("E7", "each step is there once under one run id, whatever happened", async (bench) => {
  const { does, json, runs } = bench;
  const train = `${await sharded(bench)} --max-steps 8`;
  await does(`${train} --run whole`);
  await does(`${train} --until 3`);
  await does(`${train} --until 7`);
  await does("resume gpt2 --at 4 --until 5");
  await does("resume gpt2");
  const history = await historyOf(bench, "gpt2");
  assert.deepEqual(history.map(({ step }) => step), numbers(1, 8));
  assert.deepEqual(history, await historyOf(bench, "whole"));
  const csv = (await does("export gpt2 --format csv")).trim().split("\n");
  const column = csv[0]!.split(",").indexOf("step");
  assert.deepEqual(csv.slice(1).map((row) => Number(row.split(",")[column])), numbers(1, 8));
  assert.ok((await stepsIn(bench, "gpt2")).length > 8, "the branch that was left is in the log");
  assert.equal((await json("show gpt2")).sessions, 4);
  assert.deepEqual(
    [...Deno.readDirSync(runs)].map(({ name }) => name).sort(),
    ["gpt2", "objects", "whole"],
  );
});

requirement(
  "E8",
  "weights alone are known as such, and nothing resumes from them",
  async (bench) => {
    const { does, json, refuses, runs } = bench;
    const train = await sharded(bench);
    await does(`${train} --max-steps 4`);
    const file = `${runs}/gpt2/checkpoints/step-000004/model.safetensors`;
    await does("fork gpt2 --weights-only --run tuned");
    await does(`${train} --max-steps 1 --run loaded --base ${file}`);
    const trained = await tensorsIn(file);
    for (const run of ["tuned", "loaded"]) {
      const { origin } = await json(`show ${run}`);
      assert.equal(origin.takes, "weights");
      const begin = `${runs}/${run}/checkpoints/step-000000`;
      assert.deepEqual(await tensorsIn(`${begin}/model.safetensors`), trained);
      const moments = await tensorsIn(`${begin}/optimizer.safetensors`);
      assert.ok([...moments.values()].every(({ data }) => data.every((value) => value === 0)), run);
    }
    for (
      const line of [`resume ${file}`, `resume gpt2 --at ${file}`, "resume gpt2 --at final.pt"]
    ) {
      const said = await refuses(line);
      assert.match(said, /file of weights, which has no optimiser, no step and no history/);
      assert.match(said, /train RECIPE --base FILE.*fork RUN --weights-only/);
    }
    const optimizer = file.replace("model.", "optimizer.");
    assert.match(
      await refuses(`${train} --run odd --base ${optimizer}`),
      /Expected weights of a GPT/,
    );
  },
);

async function tensorsIn(file: string): Promise<TensorGroup> {
  const decoded = decodeSafetensors(await Deno.readFile(file));
  if (E.isLeft(decoded)) throw new Error(`${file}: ${JSON.stringify(decoded.left)}`);
  return decoded.right.tensors;
}
