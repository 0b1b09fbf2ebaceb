/**
 * What users of LoRA scripts for language models find here: rows D of docs/requirements.md.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  fileStore,
  initLora,
  initTransformer,
  isStep,
  key,
  type LoraOptions,
  openDevice,
  orThrow,
  readParams,
  readRun,
  restoreTree,
  type SnapshotManifest,
  type TensorGroup,
  transformerLogits,
  type TransformerParams,
  type Tree,
  withLora,
} from "foldlog";
import { decodeSafetensors } from "foldlog/codec";
import * as E from "fp-ts/Either.js";
import * as tf from "foldlog/tf";
import { type Bench, requirement } from "../support/foldlog_here.ts";
import { runCli } from "../support/run_cli.ts";
import { textIfThere } from "../support/text_if_there.ts";

const SIZES = { layers: 1, heads: 2, channels: 8, context: 8 } as const;
const GPT = Object.entries(SIZES).map(([name, value]) => `--set model.${name}=${value}`).join(" ");
const SMALL = "--backend wasm --set batch.size=2 --set batch.micro=2 --set evaluate.batches=1";
const BASE = `train llm-base --max-steps 2 ${SMALL} ${GPT}`;
const LORA = `train llm-lora --resume auto --max-steps 6 --save-every 2 ${SMALL} ` +
  "--set evaluate.every=2 --set model.loraRank=2";

/** A run of llm-lora of six steps, on its base. */
async function adapted({ does }: Bench): Promise<void> {
  await does(BASE);
  await does(LORA);
}

requirement(
  "D1",
  "train again finds the run and goes on, or begins another beside it",
  async ({ does, json }) => {
    await does(BASE);
    assert.match(await does(`${LORA} --until 3`), /paused at step 3/);
    assert.match(await does(LORA), /resuming "llm-lora" at step 3 of 6/);
    assert.match(await does(LORA), /complete already at step 6/);
    const beside = await does(LORA.replace("auto", "never"));
    assert.match(beside, /"llm-lora" stays as it is; starting "llm-lora-2"/);
    const runs = await json("runs");
    assert.deepEqual(runs.map(({ runId }: { runId: string }) => runId).sort(), [
      "llm-base",
      "llm-lora",
      "llm-lora-2",
    ]);
  },
);

requirement(
  "D2",
  "Ctrl+C finishes the step and saves; kill -9 loses no step that was acknowledged",
  async ({ runs, does, json }) => {
    await does(BASE);
    const args = [...LORA.replace("--max-steps 6", "--max-steps 400").split(" "), "--runs", runs];
    const log = `${runs}/llm-lora/log/00000000.jsonl`;
    const reached = (step: number) => () => stepsIn(log) >= step;
    const paused = await runCli(args, { kills: [{ signal: "SIGINT", when: reached(5) }] });
    assert.equal(paused.code, 130, paused.stderr);
    assert.match(paused.stdout, /paused at step (\d+)/);
    const { step, snapshots } = await json("show llm-lora");
    assert.equal(snapshots.at(-1).step, step);

    const killed = await runCli(args, { kills: [{ signal: "SIGKILL", when: reached(step + 5) }] });
    assert.equal(killed.signal, "SIGKILL");
    const acknowledged = stepsIn(log);
    await does("resume llm-lora --until " + (acknowledged + 1));
    const { events } = await orThrow(readRun(fileStore(runs), "llm-lora"));
    const steps = events.map(({ event }) => event).filter(isStep).map(({ data }) => data.step);
    assert.deepEqual(steps, Array.from({ length: acknowledged + 1 }, (_, index) => index + 1));
  },
);

/** Steps in a log's whole lines. */
function stepsIn(log: string): number {
  const lines = textIfThere(log).split("\n").slice(0, -1);
  return lines.filter((line) => line.includes(`"type":"StepTaken"`)).length;
}

requirement(
  "D3",
  "checkpoints are listed, the newest in detail, old ones removed, the history exported",
  async (bench) => {
    const { does, json, runs } = bench;
    await adapted(bench);
    const all = await does("checkpoints llm-lora");
    for (const step of ["000002", "000004", "000006"]) assert.ok(all.includes(`step-${step}`), all);
    const latest = await does("checkpoints llm-lora --latest");
    assert.match(latest, /step-000006/);
    assert.ok(!latest.includes("step-000004"));
    await does("prune llm-lora --keep-last 2");
    const kept = await json("checkpoints llm-lora");
    const steps = kept.map(({ step }: { step: number }) => step);
    assert.ok(steps.includes(6) && steps.includes(4) && !steps.includes(2), String(steps));
    await does(`export llm-lora --format jsonl --out ${runs}/history.jsonl`);
    const lines = (await Deno.readTextFile(`${runs}/history.jsonl`)).trim().split("\n");
    assert.deepEqual(lines.map((line) => JSON.parse(line).step), [1, 2, 3, 4, 5, 6]);
  },
);

requirement(
  "D4",
  "merge writes one model whose outputs are those of base and adapters",
  async (bench) => {
    const { does, runs } = bench;
    await adapted(bench);
    await does(`merge llm-lora --out ${runs}/merged.safetensors`);
    await does(
      `train llm-base --run again --max-steps 1 ${SMALL} --base ${runs}/merged.safetensors`,
    );
    const file = decodeSafetensors(await Deno.readFile(`${runs}/merged.safetensors`));
    if (E.isLeft(file)) throw new Error(JSON.stringify(file.left));
    const params = await orThrow(readParams(fileStore(runs), "llm-lora"));
    await orThrow(openDevice("cpu"));
    const logits = tf.tidy(() => {
      const base = restored(initTransformer(TRANSFORMER, key(0)), branch(params, "base."));
      const lora = restored(initLora(base, OPTIONS, key(0)), branch(params, "lora."));
      const models = [withLora(base, lora, OPTIONS), restored(base, file.right.tensors), base];
      return models.map(logitsOf) as unknown as tf.TensorContainer;
    });
    const [together, merged, alone] = logits as unknown as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    assert.ok(distance(together, merged) < 1e-5, `${distance(together, merged)}`);
    assert.ok(distance(together, alone) > 1e-3, "the adapters change nothing");
  },
);

const TRANSFORMER = { vocabulary: 256, dropout: 0, ...SIZES };
const OPTIONS: LoraOptions = { rank: 2, alpha: 16, targets: ["h.*.c_*.weight"] };

function logitsOf(model: TransformerParams): Float32Array {
  const tokens = tf.tensor2d([[77, 111, 98, 121, 32, 68, 105, 99]], [1, 8], "int32");
  return transformerLogits(model, tokens, TRANSFORMER).dataSync() as Float32Array;
}

function distance(a: Float32Array, b: Float32Array): number {
  return Math.max(...a.map((value, index) => Math.abs(value - b[index]!)));
}

/** The tensors below a prefix, by the rest of their paths. */
function branch(params: TensorGroup, prefix: string): TensorGroup {
  const below = [...params].filter(([path]) => path.startsWith(prefix));
  return new Map(below.map(([path, tensor]) => [path.slice(prefix.length), tensor]));
}

function restored<T extends Tree>(template: T, saved: TensorGroup): T {
  const tree = restoreTree(template, saved);
  if (E.isLeft(tree)) throw new Error(tree.left);
  return tree.right;
}

requirement(
  "D5",
  "rate, saving and evaluation may change; rank, context and base may not",
  async (bench) => {
    const { does, refuses, runs } = bench;
    await adapted(bench);
    const changed = await does(
      "resume llm-lora --max-steps 8 --lr 0.002 --save-every 1 --set evaluate.every=1",
    );
    assert.match(changed, /optimizer.learningRate 0.01 -> 0.002/);
    assert.match(changed, /save.every 2 -> 1/);
    assert.match(changed, /evaluate.every 2 -> 1/);
    for (const setting of ["model.loraRank=4", "model.context=4", "model.channels=16"]) {
      const said = await refuses(`resume llm-lora --max-steps 9 --set ${setting}`);
      assert.match(
        said,
        new RegExp(`${setting.split("=")[0]}: recorded .*cannot change in a run`, "s"),
      );
    }
    await does(`${BASE} --run other`);
    assert.match(await refuses(`${LORA} --base other`), /began with run "llm-base" at step 2/);
    const { events } = await orThrow(readRun(fileStore(runs), "llm-lora"));
    assert.ok(events.some(({ event }) => event.type === "ConfigChanged"));
  },
);

requirement(
  "D6",
  "runs stand side by side; the best is found; nothing needed is ever removed",
  async (bench) => {
    const { does, json } = bench;
    await adapted(bench);
    await does(`${LORA} --run gentle --lr 0.001`);
    await does("fork llm-lora --at 2 --run branch");
    await does("prune llm-lora --keep-last 1");
    const [kept, { bestStep }] = [await json("checkpoints llm-lora"), await json("show llm-lora")];
    const steps = kept.map(({ step }: { step: number }) => step);
    assert.ok(steps.includes(6) && steps.includes(bestStep), `${steps}, best ${bestStep}`);
    assert.match(await does("resume branch --until 3"), /paused at step 3/); // its parent's 2 is gone
    assert.equal((await json("show llm-lora@best")).step, bestStep);
    assert.match(await does("runs"), /gentle .*6\/6/);
  },
);

requirement(
  "D7",
  "verify proves that a run continued, and resume says what it compared",
  async (bench) => {
    const { does } = bench;
    await does(BASE);
    await does(`${LORA} --until 3`);
    await does(LORA);
    assert.match(
      await does("verify llm-lora --replay --backend wasm"),
      /6 steps recomputed, .* compared; all as recorded/,
    );
    const said = await does("resume llm-lora --max-steps 7");
    assert.match(said, /Resumed at global_step=6, epoch 0, best loss [\d.]+ at step \d, 6 steps/);
  },
);

requirement("D8", "adapters train on a base from a file; snapshots have it once", async (bench) => {
  const { does, runs, json } = bench;
  await does(BASE);
  const file = `${runs}/llm-base/checkpoints/step-000002/model.safetensors`;
  await does(`${LORA} --base ${file} --set model.heads=2`);
  const { origin } = await json("show llm-lora");
  assert.deepEqual([origin.file.name, origin.into], ["model.safetensors", "base"]);
  const store = fileStore(runs);
  const { state } = await orThrow(readRun(store, "llm-lora"));
  const manifests: SnapshotManifest[] = [];
  for (const { snapshot } of state.snapshots) {
    manifests.push(await orThrow(store.snapshots.manifest(snapshot)));
  }
  const digests = (group: string) => new Set(manifests.map(({ files }) => files[group]!.digest));
  assert.equal(digests("base").size, 1);
  assert.equal(digests("model").size, manifests.length);
  const trained = Object.keys(manifests[0]!.leaves).filter((leaf) => leaf.startsWith("model/"));
  assert.ok(trained.every((leaf) => leaf.startsWith("model/lora.")), String(trained));
});
