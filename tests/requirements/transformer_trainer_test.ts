/**
 * What users of a transformer trainer with best and step checkpoints find here: rows C1 to C5 of
 * docs/requirements.md.
 *
 * @module
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { fileStore, orThrow, readParams, type SnapshotManifest } from "foldlog";
import { type Bench, benchIn, requirement } from "../support/foldlog_here.ts";
import { factsOf, newestSnapshot } from "../support/recorded_facts.ts";
import { runCli } from "../support/run_cli.ts";
import { textIfThere } from "../support/text_if_there.ts";
import { TRAIN } from "../support/word_training.ts";

/** The manifest of a run's newest snapshot: the tensors of the state, and where it stands. */
async function manifestOf(bench: Bench, run: string): Promise<SnapshotManifest> {
  const snapshot = await newestSnapshot(bench, run);
  return await orThrow(fileStore(bench.runs).snapshots.manifest(snapshot));
}

requirement("C1", "hidden size, layers and heads are settings, on packed data", async (bench) => {
  const { does, refuses } = bench;
  await does(`${TRAIN} --max-steps 1 --set model.hiddenDim=12 --set model.numLayers=3`);
  const params = await orThrow(readParams(fileStore(bench.runs), "transformer"));
  const layers = new Set([...params.keys()].flatMap((path) => /^h\.(\d+)\./.exec(path)?.[1] ?? []));
  assert.deepEqual([...layers].sort(), ["0", "1", "2"]);
  assert.deepEqual(params.get("h.0.attn.c_attn.weight")!.shape, [12, 36]);
  const heads = await refuses(`${TRAIN} --run odd --set model.hiddenDim=12 --set model.numHeads=5`);
  assert.match(heads, /hiddenDim to be a multiple of model.numHeads, found 12 and 5/);
  const [started] = await factsOf(bench, "transformer", "RunStarted");
  assert.equal(started!.data.name, "words");
});

requirement(
  "C2",
  "snapshots come every N steps, by time, at the end, on a signal, and of the best",
  async (bench) => {
    const { does, json, runs } = bench;
    const taken = async (run: string) =>
      (await factsOf(bench, run, "SnapshotTaken")).map(({ step, reason }) => `${step} ${reason}`);
    await does(`${TRAIN} --set evaluate.every=1 --save-every 4`);
    assert.deepEqual(await taken("transformer"), ["4 scheduled", "6 final"]);

    await does(`${TRAIN} --run brief --set save.maxReplaySeconds=1e-9`);
    assert.equal((await taken("brief"))[0], "1 auto");
    await does(`${TRAIN} --run long --set save.maxReplaySeconds=3600`);
    assert.deepEqual(await taken("long"), ["6 final"]);

    const evaluated = await factsOf(bench, "transformer", "EvaluationTaken");
    const better = evaluated.filter(({ loss }, place) =>
      evaluated.slice(0, place).every((before) => before.loss > loss)
    );
    await does(`${TRAIN} --run best --set evaluate.every=1 --save-every 0 --set save.best=true`);
    const expected = better.map(({ step }) => step === 6 ? "6 final" : `${step} best`);
    assert.deepEqual(await taken("best"), [...new Set([...expected, "6 final"])]);

    const losses = evaluated.slice(0, -1);
    const { step } = losses.reduce((best, one) => one.loss < best.loss ? one : best);
    await does(`materialize transformer@${step}`);
    await does(`prune transformer --keep-best 2`);
    const kept = (await json("checkpoints transformer")).map((one: { step: number }) => one.step);
    assert.ok(
      kept.includes(step) && kept.includes((await json("show transformer@best")).step),
      kept,
    );

    const args = `${TRAIN} --run signalled --max-steps 400 --save-every 1000 --runs ${runs}`;
    const log = `${runs}/signalled/log/00000000.jsonl`;
    const when = () => textIfThere(log).includes(`"step":3`);
    const { code } = await runCli(args.split(" "), { kills: [{ signal: "SIGTERM", when }] });
    assert.equal(code, 130);
    assert.match((await taken("signalled")).at(-1)!, /^\d+ paused$/);
  },
);

requirement("C3", "everything that a training goes on from is saved", async (bench) => {
  const { does, json } = bench;
  const mixed = `${TRAIN} --set precision=mixed_float16 --set lossScale.growthInterval=2 ` +
    "--set lossScale.initial=1024 --set model.dropout=0.2 --set evaluate.every=2";
  await does(`${mixed} --run whole`);
  await does(`${mixed} --until 3`);
  const { step, cursor, leaves } = await manifestOf(bench, "transformer");
  assert.deepEqual([step, cursor], [3, { epoch: 0, index: 12 }]);
  const groups = new Set(Object.keys(leaves).map((leaf) => leaf.split("/")[0]));
  assert.deepEqual([...groups].sort(), ["loss_scale", "model", "optimizer"]);
  const paused = await json("show transformer");
  assert.ok(paused.bestLoss > 0 && paused.trainEmaLoss > 0);
  assert.equal(paused.config.model.dropout, 0.2);
  await does(mixed);
  assert.equal(await newestSnapshot(bench, "transformer"), await newestSnapshot(bench, "whole"));
  const [resumed, whole] = [await json("show transformer"), await json("show whole")];
  for (const fact of ["bestLoss", "bestStep", "trainEmaLoss", "epoch", "lastLoss", "config"]) {
    assert.deepEqual(resumed[fact], whole[fact], fact);
  }
});

requirement(
  "C4",
  "what may change is recorded, old and new; what may not is refused with the list",
  async (bench) => {
    const { does, refuses } = bench;
    const changes: readonly (readonly [path: string, old: number, now: number])[] = [
      ["batch.micro", 4, 2],
      ["batch.size", 4, 8],
      ["data.augment", 0.02, 0.1],
      ["model.dropout", 0.02, 0.1],
      ["optimizer.learningRate", 0.003, 0.001],
      ["optimizer.weightDecay", 0.05, 0.1],
    ];
    const before = changes.map(([path, old]) => `--set ${path}=${old}`).join(" ");
    await does(`${TRAIN} --set batch.grain=0 ${before} --until 3`);
    const set = changes.map(([path, , now]) => `--set ${path}=${now}`).join(" ");
    const said = await does(`resume transformer ${set}`);
    const told = await does("log transformer");
    const line = told.split("\n").find((line) => line.includes("ConfigChanged")) ?? "";
    for (const [path, old, now] of changes) {
      assert.ok(said.includes(`${path} ${old} -> ${now}`), said);
      assert.ok(line.includes(`${path} ${old} -> ${now}`), told);
    }
    const [changed] = await factsOf(bench, "transformer", "ConfigChanged");
    const recorded = Object.fromEntries(changes.map(([path, , now]) => [path, now]));
    assert.deepEqual(changed, { step: 3, changes: recorded, class: "training" });
    assert.match(await does("verify transformer --replay"), /all as recorded/);

    const wrong = "--set model.hiddenDim=16 --set model.numLayers=2 --set optimizer.name=sgd";
    const refused = await refuses(`resume transformer --max-steps 8 ${wrong}`);
    assert.match(refused, /model.hiddenDim: recorded 8, asked for 16/);
    assert.match(refused, /model.numLayers: recorded 1, asked for 2/);
    assert.match(refused, /optimizer.name: recorded adamw, asked for sgd/);
    assert.equal((await factsOf(bench, "transformer", "ConfigChanged")).length, 1);
  },
);

requirement(
  "C5",
  "another experiment begins with a run's state or weights, each leaf of which must fit",
  async (bench) => {
    const { does, json, refuses, runs } = bench;
    await does(TRAIN);
    await does("fork transformer --at 4 --run stress --set data.target=stress");
    assert.match(await does("resume stress"), /completed at step 6/);
    const { origin, config } = await json("show stress");
    assert.deepEqual([origin.parent.run, origin.step, origin.takes], ["transformer", 4, "state"]);
    assert.equal(config.data.target, "stress");

    const file = `${runs}/transformer/checkpoints/step-000006/model.safetensors`;
    const elsewhere = `${dirname(runs)}/experiments`;
    const other = `--base ${file} --set data.target=stress --max-steps 2`;
    const beside = benchIn(elsewhere);
    await beside.does(`${TRAIN} ${other}`);
    const [started] = await factsOf(beside, "transformer", "RunStarted");
    assert.equal(started!.origin?.file?.name, "model.safetensors");

    const wide = await refuses("fork transformer --weights-only --set model.hiddenDim=16");
    assert.match(wide, /expected "h.0.attn.c_attn.bias" to be float32\[48\], found float32\[24\]/);
    const short = await refuses(`${TRAIN} --run short --base transformer --set model.context=9`);
    assert.match(short, /expected "\S+" to be float32\[9,8\], found float32\[8,8\]/);
  },
);
