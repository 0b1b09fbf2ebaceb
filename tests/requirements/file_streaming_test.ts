/**
 * What users of a trainer that streams files find here: rows B of docs/requirements.md.
 *
 * @module
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { fileStore, openDevice, orThrow, resumeRun, type RunConfig } from "foldlog";
import { type ByteFile, byteFilesSource, memoryFile } from "../../src/adapters/data/byte_files.ts";
import { streamFiles } from "../../src/recipes/stream_files.ts";
import { type Bench, requirement } from "../support/foldlog_here.ts";
import { historyOf, newestSnapshot, numbers } from "../support/recorded_facts.ts";
import { runCliOnTerminal, terminalAvailable } from "../support/run_cli.ts";

const SMALL = "--backend wasm --set batch.size=2 --set batch.micro=2 --set evaluate.batches=1 " +
  "--set model.layers=1 --set model.heads=2 --set model.channels=8 --set model.context=8 " +
  "--set data.heldOut=1 --set evaluate.every=3 --save-every 3 --max-steps 12";

/** Five files of 8, 16, 24, 32 and 40 windows, and the training on the first four that leaves them in order. */
async function streaming({ runs }: Bench): Promise<string> {
  const texts = `${dirname(runs)}/texts`;
  await Deno.mkdir(texts);
  for (const number of numbers(1, 5)) {
    await Deno.writeTextFile(`${texts}/${number}.txt`, "abcdefg ".repeat(number * 8) + number);
  }
  return `train stream-files --resume auto ${SMALL} --set data.files=${texts}/*.txt`;
}

requirement(
  "B1",
  "checkpoints have the names of streams and are found by them; presets are in a file",
  async (bench) => {
    const { does, json, refuses, runs } = bench;
    const train = await streaming(bench);
    await does(train);
    const names = (await json("checkpoints stream-files")).map(({ name }: { name: string }) =>
      name
    );
    assert.deepEqual(names, [
      "checkpoint-epoch0-step3-files0",
      "checkpoint-epoch0-step6-files1",
      "checkpoint-epoch0-step9-files1",
      "checkpoint-epoch0-step12-files2",
    ]);
    const back = "resume stream-files --at checkpoint-epoch0-step6-files1 --until 7";
    assert.match(await does(back), /gone back from step 12 to step 6/);
    const wrong = "resume stream-files --at checkpoint-epoch1-step6-files1";
    assert.match(await refuses(wrong), /its step 6 is in epoch 0/);

    const file = `${dirname(runs)}/stream.yaml`;
    await Deno.writeTextFile(
      file,
      "test: { steps: { max: 2 } }\nproduction: { steps: { max: 4 } }",
    );
    const plain = train.replace("--max-steps 12", "");
    await does(`${plain} --run tried --config ${file}#test`);
    await does(`${plain} --run real --config ${file}#production`);
    await does(`${plain} --run own --config test --until 1`);
    const planned = async (run: string) => (await json(`show ${run}`)).maxSteps;
    assert.deepEqual([await planned("tried"), await planned("real"), await planned("own")], [
      2,
      4,
      20,
    ]);
  },
);

requirement(
  "B2",
  "histories are in the log: none is restored, none can be lost, all go on with equal bits",
  async (bench) => {
    const { does, json, runs } = bench;
    const train = await streaming(bench);
    await does(`${train} --run whole`);
    await does(`${train} --until 5`);
    const before = await historyOf(bench, "stream-files");
    for (const derived of ["checkpoints", "state.json"]) {
      await Deno.remove(`${runs}/stream-files/${derived}`, { recursive: true });
    }
    assert.deepEqual(await historyOf(bench, "stream-files"), before);
    await does(train);

    const rows = await historyOf(bench, "stream-files");
    assert.deepEqual(rows, await historyOf(bench, "whole"));
    assert.deepEqual(rows.map(({ step }) => step), numbers(1, 12));
    assert.ok(rows.every(({ loss, learningRate }) => loss! > 0 && learningRate! >= 0));
    const evaluated = rows.filter(({ evaluationLoss }) => evaluationLoss !== undefined);
    assert.deepEqual(evaluated.map(({ step }) => step), [3, 6, 9, 12]);
    // Weights and Adam's moments, epoch and step: the snapshot's name is a digest of all of them.
    assert.equal(await newestSnapshot(bench, "stream-files"), await newestSnapshot(bench, "whole"));
    const summary = async (run: string) => {
      const { bestLoss, bestStep, trainEmaLoss, epoch, filesDone } = await json(`show ${run}`);
      return { bestLoss, bestStep, trainEmaLoss, epoch, filesDone };
    };
    assert.deepEqual(await summary("stream-files"), await summary("whole"));
  },
);

requirement(
  "B3",
  "a resume reads no batch that was used, wherever it stands in many files",
  async (bench) => {
    const { does, json, runs } = bench;
    const train = await streaming(bench);
    await does(`${train} --until 9`);
    assert.equal((await json("show stream-files@6")).filesDone, 1);
    const asked: number[] = [];
    const counted = async (config: RunConfig) => {
      const task = await streamFiles.task(config);
      const at = (numbers: readonly number[]) => {
        asked.push(...numbers);
        return task.data.at(numbers);
      };
      return { ...task, data: { ...task.data, at } };
    };
    const env = { store: fileStore(runs), device: await orThrow(openDevice("wasm")) };
    await orThrow(resumeRun(env, "stream-files", counted, { until: 11 }));
    assert.deepEqual(asked, numbers(18, 21)); // two samples for each of the steps 10 and 11
    const { filesDone, files } = await json("show stream-files");
    assert.deepEqual([filesDone, files], [1, 4]);

    const reads = { opened: 0, bytes: 0 };
    const source = byteFilesSource("many", manyFiles(1000, reads), 8);
    const costOf = (sample: number) => {
      Object.assign(reads, { opened: 0, bytes: 0 });
      source.at([sample]);
      return { ...reads };
    };
    assert.equal(source.identity.samples, 10_000);
    assert.deepEqual(costOf(0), { opened: 1, bytes: 9 });
    assert.deepEqual(costOf(9_999), { opened: 1, bytes: 9 });
  },
);

/** So many files of 10 windows of 8 bytes, which count what is read of them. */
function manyFiles(count: number, reads: { opened: number; bytes: number }): readonly ByteFile[] {
  return numbers(1, count).map((number) => {
    const file = memoryFile(`${number}.txt`, new Uint8Array(81).fill(number % 256));
    return {
      ...file,
      open() {
        reads.opened++;
        const opened = file.open();
        const read = (offset: number, bytes: Uint8Array) => {
          reads.bytes += bytes.length;
          return opened.read(offset, bytes);
        };
        return { ...opened, read };
      },
    };
  });
}

requirement(
  "B4",
  "progress begins at the resumed step, with rate, time left and loss",
  async (bench) => {
    const { does, runs } = bench;
    const train = await streaming(bench);
    await does(`${train} --until 7`);
    const plain = await does(`${train} --until 9`);
    assert.match(plain, /resuming "stream-files" at step 7 of 12/);
    assert.doesNotMatch(plain, /step 7\/12/);
    const counted = String.raw`loss \d\.\d{4} +lr \d\.\d+ +\d+\.\d steps\/s +ETA \d+s`;
    assert.match(await does(`${train} --run plain`), new RegExp(`^step 12/12 +${counted}$`, "m"));
    assert.ok(terminalAvailable, "expected util-linux's script");
    const args = [...train.split(" "), "--runs", runs];
    const { code, stdout } = await runCliOnTerminal(args);
    assert.equal(code, 0, stdout);
    const shown = [
      ...stdout.matchAll(/(\d+)\/12 +loss \d\.\d{4} +lr \S+ +(\S+ steps\/s +ETA \S+)/g),
    ];
    assert.deepEqual([shown[0]?.[1], shown.at(-1)?.[1]], ["10", "12"], stdout);
  },
);

requirement(
  "B6",
  "a resume says where it starts; --max-steps is a new end",
  async (bench) => {
    const { does, json } = bench;
    await does(`${await streaming(bench)} --until 5`);
    const said = await does("resume stream-files --max-steps 14");
    assert.match(said, /resuming "stream-files" at step 5 of 12/);
    const { loss, step } = { loss: String.raw`\d\.\d{4}`, step: 3 };
    assert.match(
      said,
      new RegExp(
        "Resumed at global_step=5, epoch 0, files 1 of 4, " +
          `best loss ${loss} at step ${step}, 5 steps in the history`,
      ),
    );
    assert.match(said, /from step 5 on: steps.max 12 -> 14/);
    assert.match(said, /completed at step 14/);
    assert.equal((await json("show stream-files")).history, 14);
  },
);

requirement(
  "B7",
  "what is not there is named, with what there is and the nearest names",
  async (bench) => {
    const { does, refuses } = bench;
    await does(await streaming(bench));
    const beyond = await refuses("resume stream-files --at checkpoint-epoch0-step13-files2");
    assert.match(beyond, /has no place "checkpoint-epoch0-step13-files2": its log ends at step 12/);
    assert.match(beyond, /Did you mean checkpoint-epoch0-step12-files2/);
    assert.match(beyond, /Its checkpoints are checkpoint-epoch0-step3-files0, .*step6-files1, /);
    const mistyped = await refuses("resume stream-files --at chekpoint-epoch0-step6-files1");
    assert.match(mistyped, /expected a step such as .*Did you mean checkpoint-epoch0-step6-files1/);
    assert.match(
      await refuses("resume strem-files"),
      /no run "strem-files". Did you mean stream-files/,
    );
  },
);
