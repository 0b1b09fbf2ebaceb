import assert from "node:assert/strict";
import { type Bench, benchIn } from "../support/foldlog_here.ts";
import { runCli } from "../support/run_cli.ts";
import { inTemporaryDirectory } from "../support/temporary_directory.ts";
import { textIfThere } from "../support/text_if_there.ts";

const SMALL = "--backend wasm --set batch.size=2 --set batch.micro=2 --set evaluate.batches=1";
const MODEL =
  "--set model.layers=1 --set model.heads=2 --set model.channels=8 --set model.context=8";
const BASE = `train llm-base --max-steps 4 ${SMALL} ${MODEL}`;
const LORA = `train llm-lora --max-steps 2 ${SMALL}`;

Deno.test("a recipe's base that is not complete is continued first, and is then what the run begins with", async () => {
  await onBench(async ({ does, json }) => {
    await does(`${BASE} --until 1`);
    const said = await does(LORA);
    assert.match(
      said,
      /"llm-base", whose weights this run begins with, is not complete: continuing/,
    );
    assert.match(said, /run "llm-base" completed at step 4/);
    assert.match(said, /run "llm-lora" begins with the weights of run "llm-base" at step 4/);
    const [base, lora] = [await json("show llm-base"), await json("show llm-lora")];
    assert.deepEqual([lora.origin.parent.step, lora.origin.into], [4, "base"]);
    assert.deepEqual([base.status, lora.status], ["completed", "completed"]);
    assert.equal(lora.config.model.channels, 8, "the model's settings are the base's");
  });
});

Deno.test("a recipe's base that is not there is trained first; a signal pauses that, and nothing else begins", async () => {
  await onBench(async ({ runs, json }) => {
    const log = `${runs}/llm-base/log/00000000.jsonl`;
    const { code, stdout } = await runCli([...LORA.split(" "), "--runs", runs], {
      kills: [{ signal: "SIGINT", when: () => hasStep(log) }],
    });
    assert.equal(code, 130);
    assert.match(
      stdout,
      /"llm-base", whose weights this run begins with, is not there: training it/,
    );
    const all = await json("runs");
    assert.deepEqual(all.map(({ runId }: { runId: string }) => runId), ["llm-base"]);
    assert.equal(all[0].status, "paused");
  });
});

Deno.test("with --json one document is printed, of the run that was asked for", async () => {
  await onBench(async ({ does, json }) => {
    await does(`${BASE} --until 1`);
    assert.equal((await json(LORA)).runId, "llm-lora");
  });
});

Deno.test("--base takes a place in a run, and says no to what is neither run nor weights", async () => {
  await onBench(async ({ runs, does, json, refuses }) => {
    await does(`${BASE} --save-every 1`);
    await does(`${LORA} --run early --base llm-base@2`);
    assert.equal((await json("show early")).origin.parent.step, 2);
    await does(`${LORA} --run early --base llm-base@2`);
    assert.match(
      await refuses(`${LORA} --run early --base llm-lora`),
      /expected no --base, or the same/,
    );
    assert.match(
      await refuses(`${LORA} --run early --base llm-base@3`),
      /expected no --base, or the same/,
    );
    assert.match(
      await refuses(`${LORA} --base llm-bas`),
      /found no "llm-bas" of either. Did you mean llm-base/,
    );
    assert.match(await refuses(`${LORA} --base llm-base@9`), /llm-base/);
    const optimizer = `${runs}/llm-base/checkpoints/step-000004/optimizer.safetensors`;
    assert.match(await refuses(`${LORA} --base ${optimizer}`), /weights of a GPT/);
    assert.match(await refuses(`train mlp --base llm-base`), /expected a tensor "layers.0.bias"/);
    assert.deepEqual((await json("runs")).length, 2);
  });
});

Deno.test("a run of another recipe under the base's name, and an empty --base, are refused as such", async () => {
  await onBench(async ({ does, refuses }) => {
    assert.match(await refuses(`${LORA} --base=`), /found an empty text/);
    const hidden = "--set model.hidden=4 --set evaluate.every=0";
    await does(`train mlp --run llm-base --max-steps 2 --until 1 --backend wasm ${hidden}`);
    const other = /to be one of recipe "llm-base", found one of "mlp"/;
    assert.match(await refuses(LORA), other);
    await does("train mlp --run llm-base --backend wasm");
    assert.match(await refuses(LORA), other);
  });
});

Deno.test("settings of another model than the base's are refused, heads too, which no shape tells", async () => {
  await onBench(async ({ runs, does, json, refuses }) => {
    await does(BASE);
    await does(`export llm-base --format hf --out ${runs}/files`);
    for (const base of ["llm-base", `${runs}/files`]) {
      assert.match(
        await refuses(`${LORA} --base ${base} --set model.heads=4`),
        /Expected model.heads to be 2, as in .*, found 4/,
      );
    }
    assert.equal((await json("runs")).length, 1, "no run was begun");
    await does(`${LORA} --base ${runs}/files --set model.heads=2`);
    await does(`${LORA} --base ${runs}/files`);
    await does(`export llm-lora --format hf --out ${runs}/other/files`);
    assert.match(
      await refuses(`${LORA} --base ${runs}/other/files`),
      /expected no --base, or the same/,
      "another file of the same name",
    );
    await Deno.rename(`${runs}/files`, `${runs}/moved`);
    await does(`${LORA} --base ${runs}/files`);
    await does(`${LORA} --base ${runs}/moved`);
  });
});

Deno.test("a model of GPT-2's files and tokens is a base of llm-lora, and goes out as one", async () => {
  await onBench(async ({ runs, does, json }) => {
    const gpt2 = `train gpt2 --max-steps 1 ${SMALL} --set evaluate.every=0 --set model.context=8`;
    await does(gpt2);
    await does(`export gpt2 --format hf --out ${runs}/gpt2-files`);
    await does(`${LORA} --base ${runs}/gpt2-files --set data.context=4`);
    const { origin, config } = await json("show llm-lora");
    assert.deepEqual([origin.file.name, config.model.vocabulary], ["gpt2-files", 50257]);
    await does(`export llm-lora --format hf --out ${runs}/adapted`);
    const { n_layer, n_head } = JSON.parse(await Deno.readTextFile(`${runs}/adapted/config.json`));
    assert.deepEqual([n_layer, n_head], [2, 2]);
  });
});

function onBench(work: (bench: Bench) => Promise<void>): Promise<void> {
  return inTemporaryDirectory((directory) => work(benchIn(`${directory}/runs`)));
}

function hasStep(log: string): boolean {
  return textIfThere(log).includes(`"type":"StepTaken"`);
}
