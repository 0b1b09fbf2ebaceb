/**
 * What users of a LoRA inpainting trainer find here: rows A of docs/requirements.md.
 *
 * @module
 */
import assert from "node:assert/strict";
import { decode } from "fast-png";
import { fileStore, mergeConfig, orThrow, readRun, type SnapshotManifest } from "foldlog";
import { sha256 } from "../../src/codec/digest.ts";
import { inpaintLora } from "../../src/recipes/inpaint_lora.ts";
import { type Bench, requirement } from "../support/foldlog_here.ts";
import { forged, otherLoss } from "../support/forged.ts";
import { eventsIn, factsOf, historyOf, newestSnapshot } from "../support/recorded_facts.ts";

const SMALL = "--backend wasm --set batch.size=4 --set batch.micro=4 --set evaluate.batches=1 " +
  "--set model.levels=2 --set model.channels=2 --set lossScale.initial=16384";
const BASE = `train inpaint-base --max-steps 2 ${SMALL}`;
const PLAN = `train inpaint-lora --resume auto --save-every 2 ${SMALL} --set evaluate.every=2 ` +
  "--set model.loraRank=2";
const LORA = `${PLAN} --max-steps 6`;

/** The manifests of a run's snapshots, oldest first. */
async function manifestsOf({ runs }: Bench, run: string): Promise<readonly SnapshotManifest[]> {
  const store = fileStore(runs);
  const { state } = await orThrow(readRun(store, run));
  const manifests: SnapshotManifest[] = [];
  for (const { snapshot } of state.snapshots) {
    manifests.push(await orThrow(store.snapshots.manifest(snapshot)));
  }
  return manifests;
}

requirement(
  "A1",
  "adapters on a frozen base; resumed by any name, to a new step",
  async (bench) => {
    const { does, json, refuses } = bench;
    await does(BASE);
    await does(LORA);
    const manifests = await manifestsOf(bench, "inpaint-lora");
    assert.equal(new Set(manifests.map(({ files }) => files["base"]!.digest)).size, 1);
    const trained = Object.keys(manifests[0]!.leaves).filter((leaf) => leaf.startsWith("model/"));
    assert.ok(trained.length > 0 && trained.every((leaf) => leaf.startsWith("model/lora.")));

    const { bestStep, config } = await json("show inpaint-lora");
    const task = await inpaintLora.task(mergeConfig(inpaintLora.config, config));
    const { inputs, targets } = await task.data.at([0]);
    const pixels = [...targets!.data].map((ink, pixel) => ({
      ink,
      shown: inputs!.data[2 * pixel]!,
      masked: inputs!.data[2 * pixel + 1]!,
    }));
    for (const { ink, shown, masked } of pixels) {
      assert.ok(masked === 1 ? shown === 0 : Math.abs(shown - (2 * ink - 1)) < 1e-6);
    }
    assert.ok(pixels.some(({ masked, ink }) => masked === 1 && ink > 0), "digits are hidden");

    const places = [["checkpoint-4", 4], ["3", 3], ["best", bestStep], ["latest", 6]] as const;
    for (const [place, step] of places) {
      await does(`fork inpaint-lora --at ${place} --run from-${place}`);
      assert.equal((await json(`show from-${place}`)).step, step, place);
    }
    assert.match(
      await does("resume inpaint-lora --at latest --max-steps 8"),
      /completed at step 8/,
    );
    const back = await does("resume inpaint-lora --at checkpoint-2 --max-steps 5");
    assert.match(back, /gone back from step 8 to step 2.*completed at step 5/s);
    assert.match(
      await refuses("resume inpaint-lora --at checkpoint-2000"),
      /its log ends at step 5/,
    );
  },
);

requirement(
  "A2",
  "adapters, optimiser, rate, loss scale, random numbers and step go on, as a replay proves",
  async (bench) => {
    const { does, refuses, runs } = bench;
    await does(BASE);
    await does(`${LORA} --run whole`);
    await does(`${LORA} --until 3`);
    await does(LORA);
    const manifest = (await manifestsOf(bench, "inpaint-lora")).at(-1)!;
    assert.deepEqual(Object.keys(manifest.files).sort(), [
      "base",
      "loss_scale",
      "model",
      "optimizer",
    ]);
    assert.equal(await newestSnapshot(bench, "inpaint-lora"), await newestSnapshot(bench, "whole"));
    const computed = async (run: string) =>
      (await eventsIn(bench, run)).filter(({ type }) => /^(Step|Evaluation|Samples)/.test(type));
    assert.deepEqual(await computed("inpaint-lora"), await computed("whole"));
    assert.match(await does("verify inpaint-lora --replay"), /6 steps recomputed.*all as recorded/);

    // The proof can fail: a loss in the log that is another, with all digests made to fit, is found by it.
    const store = fileStore(runs);
    await forged(store, otherLoss(4), store, { from: "inpaint-lora", to: "forged" });
    assert.match(await does("verify forged"), /all as recorded/);
    assert.match(
      await refuses("verify forged --replay", 1),
      /Step 4 is not what the log recorded.*loss: recorded/s,
    );
  },
);

requirement(
  "A3",
  "a fine-tune takes the weights and a new optimiser; whence is recorded",
  async (bench) => {
    const { does, json } = bench;
    await does(BASE);
    await does(LORA);
    await does("fork inpaint-lora --at 4 --weights-only --run tuned --lr 0.001");
    const [[begin], parents] = [
      await manifestsOf(bench, "tuned"),
      await manifestsOf(bench, "inpaint-lora"),
    ];
    const parent = parents.find(({ step }) => step === 4)!;
    assert.equal(begin!.step, 0);
    assert.equal(begin!.files["model"]!.digest, parent.files["model"]!.digest);
    assert.equal(begin!.files["optimizer"]!.digest, parents[0]!.files["optimizer"]!.digest); // as at step 0
    assert.notEqual(begin!.files["optimizer"]!.digest, parent.files["optimizer"]!.digest);
    const { origin } = await json("show tuned");
    assert.deepEqual([origin.parent.run, origin.parent.step, origin.takes], [
      "inpaint-lora",
      4,
      "weights",
    ]);
    assert.match(
      await does("runs --tree"),
      /inpaint-base.*`- inpaint-lora .*`- tuned +weights of inpaint-lora@4/s,
    );
  },
);

requirement("A4", "the directory that other tools know is written from the log", async (bench) => {
  const { does, runs } = bench;
  await does(BASE);
  await does(LORA);
  const out = `${runs}/exported`;
  await does(`export inpaint-lora --format peft --checkpoints --out ${out}/peft`);
  await does(`export inpaint-lora --format hf --out ${out}/hf`);
  const read = async (name: string) => JSON.parse(await Deno.readTextFile(`${out}/${name}`));
  const adapter = await read("peft/adapter_config.json");
  assert.deepEqual([adapter.peft_type, adapter.r], ["LORA", 2]);
  const { global_step, epoch, loss, learning_rate, checkpoint_path, status } = await read(
    "peft/training_state.json",
  );
  const last = (await historyOf(bench, "inpaint-lora")).at(-1)!;
  assert.deepEqual([global_step, loss, learning_rate], [6, last["loss"], last["learningRate"]]);
  assert.equal(epoch, 0);
  assert.match(checkpoint_path, /step-000006$/);
  assert.equal(status, "completed");
  const names = [...Deno.readDirSync(`${out}/peft`)].map(({ name }) => name);
  for (
    const name of ["adapter_model.safetensors", "checkpoint-2", "checkpoint-4", "checkpoint-6"]
  ) {
    assert.ok(names.includes(name), `${name} in ${names}`);
  }
  assert.ok([...Deno.readDirSync(`${out}/hf`)].some(({ name }) => name.endsWith(".safetensors")));

  const samples = (await factsOf(bench, "inpaint-lora", "SamplesTaken")).flatMap((one) =>
    one.samples
  );
  assert.deepEqual(samples.map(({ name }) => name).slice(0, 2), [
    "step_2_sample_0.png",
    "step_2_sample_1.png",
  ]);
  for (const { name, digest } of samples) {
    for (const place of [`${out}/peft`, `${out}/hf`, `${runs}/inpaint-lora`]) {
      const bytes = await Deno.readFile(`${place}/validation_samples/${name}`);
      assert.equal(sha256(bytes), digest, `${place} ${name}`);
    }
    const { width, height } = decode(await Deno.readFile(`${out}/hf/validation_samples/${name}`));
    assert.ok(width >= 4 * height, "input, mask, output and truth side by side");
  }
});

requirement(
  "A5",
  "the step comes from the log; a log that is missing or damaged is named",
  async (bench) => {
    const { does, refuses, runs } = bench;
    await does(BASE);
    await does(`${LORA} --until 5`);
    for (const derived of ["checkpoints", "state.json"]) {
      await Deno.remove(`${runs}/inpaint-lora/${derived}`, { recursive: true });
    }
    const snapshot = await newestSnapshot(bench, "inpaint-lora");
    await Deno.remove(`${runs}/objects/${snapshot.slice(0, 2)}/${snapshot}`);
    const said = await does("resume inpaint-lora --until 6");
    assert.match(said, /the snapshot of step 5 cannot be used: .*going further back/);
    assert.match(
      said,
      /recomputed 1 step, compared .*all equal, bit for bit.*Resumed at global_step=5,/s,
    );
    const log = `${runs}/inpaint-lora/log/00000000.jsonl`;
    const lines = await Deno.readTextFile(log);
    await Deno.writeTextFile(log, lines.replace(`"step":4`, `"step":7`));
    const position = lines.slice(0, lines.indexOf(`"step":4`)).split("\n").length - 1;
    const damaged = await refuses("verify inpaint-lora", 1);
    assert.match(damaged, new RegExp(`damaged at position ${position} .*Restore the file`, "s"));
    await Deno.remove(`${runs}/inpaint-lora`, { recursive: true });
    assert.match(await refuses("resume inpaint-lora"), /There is no run "inpaint-lora"/);
  },
);

requirement(
  "A6",
  "the last ones are kept, and no loss is another after a resume",
  async (bench) => {
    const { does, json } = bench;
    await does(BASE);
    await does(`${LORA} --run whole`);
    await does(`${LORA} --keep-last 2 --until 3`);
    await does(`${LORA} --keep-last 2`);
    await does("prune inpaint-lora --keep-last 2");
    const steps = (await json("checkpoints inpaint-lora")).map(({ step }: { step: number }) =>
      step
    );
    const { bestStep } = await json("show inpaint-lora");
    assert.deepEqual(steps, [...new Set([0, bestStep, 4, 6])].sort()); // 0 is what it began with
    const [history, whole] = [
      await historyOf(bench, "inpaint-lora"),
      await historyOf(bench, "whole"),
    ];
    assert.equal(history.length, 6);
    for (const [index, row] of history.entries()) {
      assert.ok(Object.is(row["loss"], whole[index]!["loss"]), `step ${index + 1}`);
      assert.deepEqual(row, whole[index]);
    }
  },
);
