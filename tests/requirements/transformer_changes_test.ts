/**
 * What users of a transformer trainer find here besides: rows C6 to C9 of docs/requirements.md.
 *
 * @module
 */
import assert from "node:assert/strict";
import { isStep } from "foldlog";
import { decodeSafetensors } from "foldlog/codec";
import * as E from "fp-ts/Either.js";
import { decodeManifest } from "../../src/codec/manifest_codec.ts";
import { EVENT_FORMAT } from "../../src/core/recorded_event.ts";
import { SNAPSHOT_FORMAT } from "../../src/core/snapshot.ts";
import { requirement } from "../support/foldlog_here.ts";
import { eventsIn, factsOf, newestSnapshot } from "../support/recorded_facts.ts";
import { TRAIN } from "../support/word_training.ts";

requirement(
  "C6",
  "mixed precision finds its loss scale; a step of many passes has the bits of one",
  async (bench) => {
    const { does } = bench;
    const mixed = "--set precision=mixed_float16 --set lossScale.growthInterval=2";
    const said = await does(`${TRAIN} ${mixed} --set lossScale.initial=1048576`);
    assert.match(said, /step 1: skipped, its gradients are not finite at loss scale 1048576/);
    const steps = (await eventsIn(bench, "transformer")).filter(isStep);
    let finite = 0;
    for (const [index, { type, data: { lossScale: now } }] of steps.entries()) {
      finite = type === "StepSkipped" ? 0 : finite + 1;
      const factor = type === "StepSkipped" ? 0.5 : finite % 2 === 0 ? 2 : 1;
      const next = steps[index + 1]?.data.lossScale;
      if (next !== undefined) assert.equal(next, now! * factor, `step ${index + 2}`);
    }
    assert.ok(steps.some(({ type }) => type === "StepTaken"), "a scale was found");

    const losses = async (run: string) => await factsOf(bench, run, "StepTaken");
    await does(`${TRAIN} --run once --set batch.size=8 --set batch.micro=8`);
    await does(`${TRAIN} --run often --set batch.size=8 --set batch.micro=2`);
    assert.deepEqual(await losses("often"), await losses("once"));
    await does(`${TRAIN} --run less --set batch.size=4 --set batch.micro=2`);
    assert.notDeepEqual(await losses("less"), await losses("once"));
  },
);

requirement(
  "C7",
  "a run that is missing is an error; --resume auto begins it, and says so",
  async ({ does, json, refuses }) => {
    const none = /There is no run "transformer"/;
    assert.match(await refuses("resume transformer"), none);
    assert.match(await refuses(TRAIN.replace("auto", "must")), none);
    assert.match(
      await does(`${TRAIN} --until 1`),
      /there is no run "transformer" in \S+ to continue: starting it/,
    );
    assert.equal((await json("show transformer")).step, 1);
    assert.match(
      await does(TRAIN.replace("auto", "must")),
      /resuming "transformer" at step 1 of 6/,
    );
    assert.match(await refuses("resume transformer --at step-000009"), /its log ends at step 6/);
  },
);

requirement("C8", "every format that was released opens, from golden files", async (bench) => {
  const { does, json, runs } = bench;
  assert.equal(SNAPSHOT_FORMAT, 2, "a new format needs golden files here");
  assert.equal(EVENT_FORMAT, 2, "a new format needs golden files here");
  for (const format of [1, 2]) {
    const log = `${runs}/format-${format}/log`;
    await Deno.mkdir(log, { recursive: true });
    await Deno.copyFile(`${golden}/format_${format}/log.jsonl`, `${log}/00000000.jsonl`);
    const lines = (await does(`log format-${format} --json`)).trim().split("\n");
    assert.deepEqual(JSON.parse(lines[0]!).format, format);
    const { step, config, epoch } = await json(`show format-${format}`);
    assert.ok(step > 0 && epoch >= 0 && config.steps.max >= step, `format ${format}`);
    const files = ["manifest", "model.safetensors", "optimizer.safetensors"];
    const [manifest, ...groups] = await Promise.all(
      files.map((name) => Deno.readFile(`${golden}/format_${format}/${name}`)),
    );
    const opened = decodeManifest(manifest!);
    assert.ok(E.isRight(opened) && opened.right.format === format, `format ${format}`);
    for (const group of groups) assert.ok(E.isRight(decodeSafetensors(group)), `format ${format}`);
  }
  await copyTree(`${golden}/run_1`, runs);
  assert.match(await does("verify line"), /^line: \d+ events, 8 steps and \d snapshots checked/);
  const weights = `${runs}/weights.safetensors`;
  await does(`export line@6 --format safetensors --out ${weights}`);
  assert.ok((await Deno.stat(weights)).size > 0);
});

const golden = new URL("../golden", import.meta.url).pathname;

async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyTree(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

requirement(
  "C9",
  "smaller passes give the same step; whether the bits are equal too is said",
  async (bench) => {
    const { does } = bench;
    await does(`${TRAIN} --run whole`);
    await does(`${TRAIN} --until 3`);
    const same = await does("resume transformer --set batch.micro=2");
    assert.match(
      same,
      /batch.micro 2 gives the same bits as the recorded 4: passes are over grains/,
    );
    assert.equal(await newestSnapshot(bench, "transformer"), await newestSnapshot(bench, "whole"));

    const coarse = `${TRAIN} --set batch.grain=0 --set data.augment=0 --set model.dropout=0`;
    await does(`${coarse} --run whole-coarse`);
    await does(`${coarse} --run coarse --until 3`);
    const other = await does("resume coarse --set batch.micro=2");
    assert.match(
      other,
      /batch.micro 4 -> 2; gradients are added over other passes, and the bits are/,
    );
    const steps = async (run: string) => await factsOf(bench, run, "StepTaken");
    const [now, before] = [await steps("coarse"), await steps("whole-coarse")];
    for (const [at, { loss, index }] of now.entries()) {
      assert.equal(index, before[at]!.index); // as many samples
      assert.ok(Math.abs(loss - before[at]!.loss) < 1e-5, `${loss}, ${before[at]!.loss}`);
    }
    assert.notEqual(
      await newestSnapshot(bench, "coarse"),
      await newestSnapshot(bench, "whole-coarse"),
    );
  },
);
