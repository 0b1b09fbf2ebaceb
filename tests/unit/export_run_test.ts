import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { parseSafetensorsMetadata } from "@huggingface/hub";
import {
  defineTask,
  describeError,
  lossCurve,
  memoryStore,
  orThrow,
  project,
  readRun,
  resumeRun,
  samplesShown,
  type TensorGroup,
  trainRun,
} from "foldlog";
import { decodeSafetensors, sha256 } from "foldlog/codec";
import { exportDirectory, exportHistory, exportWeights } from "../../src/app/reading/export_run.ts";
import { historyCsv, historyJsonl } from "../../src/codec/history_codec.ts";
import { historyRows } from "../../src/core/history_rows.ts";
import { backendTest } from "../support/backends.ts";
import { RUN } from "../support/evaluated_task.ts";
import { sampledTask } from "../support/sampled_task.ts";
import { serveRanges } from "../support/serve_ranges.ts";
import { eventsOf, tenSteps, trained } from "../support/ten_steps.ts";

/** How a made-up recipe writes its model. */
const options = {
  files: (weights: TensorGroup) => ({
    config: { name: "config.json", json: { zeta: 1, alpha: { d: 1, c: [{ f: 1, e: 2 }] } } },
    tensors: { name: "model.safetensors", tensors: weights, metadata: { format: "pt" } },
  }),
  place: (step: number) => `here/step-${step}`,
  checkpoints: false,
};

backendTest(
  "cpu",
  "exportWeights() is one safetensors file of the parameters at a kept step",
  async (device) => {
    const store = await trained(device);
    const { step, bytes } = await orThrow(exportWeights(store, "a", "step-000004"));
    assert.equal(step, 4);
    const file = decodeSafetensors(bytes);
    assert.ok(E.isRight(file));
    assert.equal(file.right.metadata["step"], "4");
    const { state } = await orThrow(readRun(store, "a"));
    const { snapshot } = state.snapshots.find(({ step }) => step === 4)!;
    const { groups } = await orThrow(store.snapshots.get(snapshot));
    assert.deepEqual([...file.right.tensors.keys()].sort(), ["offset", "slope"]);
    for (const [name, tensor] of groups["model"]!) {
      assert.deepEqual(file.right.tensors.get(name)!.data, tensor.data);
    }
    const metadata = await parseSafetensorsMetadata({
      repo: "foldlog/test",
      fetch: serveRanges(bytes),
      path: "model.safetensors",
    });
    assert.ok(!metadata.sharded && metadata.header["slope"] !== undefined);
    assert.equal((await orThrow(exportWeights(store, "a"))).step, 10);
  },
);

backendTest(
  "cpu",
  "exportWeights() of a step that is not kept says which are, and how to make it",
  async (device) => {
    const store = await trained(device);
    const result = await exportWeights(store, "a", "5")();
    assert.ok(E.isLeft(result) && result.left.type === "NoWeights");
    assert.match(describeError(result.left), /steps 2, 4, 6, 8, 10\. `foldlog materialize a@5`/);
  },
);

backendTest(
  "cpu",
  "exportDirectory() has the samples of the evaluations up to its step, as the store has them",
  async (device) => {
    const store = memoryStore();
    await orThrow(trainRun({ store, device }, RUN, sampledTask()));
    const { events } = await orThrow(readRun(store, RUN));
    const samples = samplesShown(events);
    for (const [at, count] of [["3", 2], [undefined, 4]] as const) {
      const { files } = await orThrow(exportDirectory(store, RUN, at, options));
      const names = [...files.keys()].filter((name) => name.startsWith("validation_samples/"));
      const expected = samples.slice(0, count);
      assert.deepEqual(names, expected.map(({ name }) => `validation_samples/${name}`));
      for (const { name, digest } of expected) {
        assert.equal(sha256(files.get(`validation_samples/${name}`)!), digest);
      }
    }
  },
);

backendTest(
  "cpu",
  "exportDirectory() has Hugging Face's trainer_state.json with every step and evaluation once",
  async (device) => {
    const store = await trained(device);
    const { step, files } = await orThrow(exportDirectory(store, "a", undefined, options));
    assert.equal(step, 10);
    assert.deepEqual([...files.keys()].sort(), [
      "config.json",
      "model.safetensors",
      "trainer_state.json",
      "training_state.json",
    ]);
    const json = (path: string) => JSON.parse(textOf(files, path));
    const state = json("trainer_state.json");
    const events = await eventsOf(store);
    const losses = events.flatMap((e) => e.type === "StepTaken" ? [e.data] : []);
    const evaluations = events.flatMap((e) => e.type === "EvaluationTaken" ? [e.data] : []);
    const steps = state.log_history.filter((row: object) => "loss" in row);
    assert.deepEqual(
      steps.map((
        { step, loss, learning_rate, grad_norm }: Record<string, number>,
      ) => [step, loss, learning_rate, grad_norm]),
      losses.map(({ step, loss, learningRate, gradNorm }) => [step, loss, learningRate, gradNorm]),
    );
    assert.deepEqual(
      state.log_history.filter((row: object) => "eval_loss" in row)
        .map(({ step, eval_loss }: Record<string, number>) => [step, eval_loss]),
      evaluations.map(({ step, loss }) => [step, loss]),
    );
    const best = evaluations.reduce((a, b) => b.loss < a.loss ? b : a);
    assert.deepEqual(
      [state.best_metric, state.best_global_step, state.best_model_checkpoint],
      [best.loss, best.step, null],
    );
    // Eight samples, two a step: step 10 is the second of the third epoch.
    assert.deepEqual(
      [state.global_step, state.max_steps, state.epoch, state.num_train_epochs],
      [10, 10, 2.5, 3],
    );
    assert.deepEqual(Object.keys(state), TRAINER_STATE);
    assert.equal(textOf(files, "config.json"), CONFIG);
    assert.deepEqual(json("training_state.json"), {
      checkpoint_path: "here/step-10",
      epoch: 2,
      global_step: 10,
      learning_rate: 0.1,
      loss: losses.at(-1)!.loss,
      status: "completed",
    });
  },
);

backendTest(
  "cpu",
  "exportDirectory() with checkpoints has each kept step as it was then",
  async (device) => {
    const store = await trained(device);
    const all = { ...options, checkpoints: true };
    const { files } = await orThrow(exportDirectory(store, "a", "6", all));
    const directories = new Set(
      [...files.keys()].filter((path) => path.includes("/")).map((path) => path.split("/")[0]),
    );
    assert.deepEqual([...directories], [2, 4, 6, 8, 10].map((step) => `checkpoint-${step}`));
    const state = JSON.parse(textOf(files, "checkpoint-4/trainer_state.json"));
    assert.deepEqual([state.global_step, state.best_global_step, state.best_model_checkpoint], [
      4,
      4,
      "checkpoint-4",
    ]);
    assert.equal(state.log_history.length, 5);
    assert.equal(JSON.parse(textOf(files, "checkpoint-4/training_state.json")).status, "running");
    assert.deepEqual(files.get("model.safetensors"), files.get("checkpoint-6/model.safetensors"));
    assert.notDeepEqual(
      files.get("model.safetensors"),
      files.get("checkpoint-4/model.safetensors"),
    );
  },
);

backendTest(
  "cpu",
  "exportDirectory() has the samples that were taken up to its step",
  async (device) => {
    const store = memoryStore();
    const bytes = (step: number) => new TextEncoder().encode(`of step ${step}`);
    const task = defineTask({
      ...tenSteps,
      artifacts: (_params, _key, _device, step) =>
        Promise.resolve([{ name: `step_${step}_sample_0.txt`, bytes: bytes(step) }]),
    });
    await orThrow(trainRun({ store, device }, "a", task));
    const { files } = await orThrow(exportDirectory(store, "a", "8", options));
    const samples = [...files].filter(([path]) => path.startsWith("validation_samples/"));
    assert.deepEqual(samples, [
      ["validation_samples/step_4_sample_0.txt", bytes(4)],
      ["validation_samples/step_8_sample_0.txt", bytes(8)],
    ]);
  },
);

backendTest(
  "cpu",
  "a history has each step of the live branch once, whatever the run left behind",
  async (device) => {
    const store = await trained(device, { until: 7 });
    await orThrow(resumeRun({ store, device }, "a", tenSteps, { at: 5 }));
    const whole = await exportHistoryOf(store);
    assert.deepEqual(whole.map(({ step }) => step), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.deepEqual(whole, await exportHistoryOf(await trained(device)));
    assert.deepEqual(
      (await orThrow(exportHistory(store, "a", "step-000006"))).map(({ step }) => step),
      [1, 2, 3, 4, 5, 6],
    );
    const events = await eventsOf(store);
    assert.deepEqual(project(historyRows, events), whole);
    assert.deepEqual(
      whole.map(({ step, loss }) => [step, loss]),
      project(lossCurve, events).map(({ step, loss }) => [step, loss]),
    );
    assert.deepEqual(
      whole.map(({ evaluation }) => evaluation !== undefined),
      whole.map(({ step }) => [4, 8, 10].includes(step)),
    );
  },
);

Deno.test("a history's files say NaN and the infinities, and leave out what was not measured", () => {
  const step = { epoch: 0, index: 0, batch: "0".repeat(64), learningRate: 1e-7 };
  const rows = project(historyRows, [
    { type: "StepTaken", data: { ...step, step: 1, loss: NaN, gradNorm: Infinity, lossScale: 8 } },
    { type: "StepTaken", data: { ...step, step: 2, loss: 0.5, gradNorm: -0 } },
    {
      type: "EvaluationTaken",
      data: {
        step: 2,
        loss: -Infinity,
        samples: 4,
        emaLoss: 0.25,
        measures: { step: 1, accuracy: 0.5 },
      },
    },
  ]);
  assert.equal(
    historyCsv(rows),
    "step,epoch,loss,learningRate,gradNorm,lossScale,evaluationLoss,averageEvaluationLoss," +
      "evaluation.accuracy,evaluation.step\n" +
      "1,0,NaN,1e-7,Infinity,8,,,,\n" +
      "2,0,0.5,1e-7,-0,,-Infinity,0.25,0.5,1\n",
  );
  const lines = historyJsonl(rows).trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines, [
    { step: 1, epoch: 0, loss: "NaN", learningRate: 1e-7, gradNorm: "Infinity", lossScale: 8 },
    {
      step: 2,
      epoch: 0,
      loss: 0.5,
      learningRate: 1e-7,
      gradNorm: "-0",
      evaluationLoss: "-Infinity",
      averageEvaluationLoss: 0.25,
      "evaluation.step": 1,
      "evaluation.accuracy": 0.5,
    },
  ]);
  assert.equal(historyJsonl([]), "");
  assert.match(historyCsv([]), /^step,.*\n$/);
});

const TRAINER_STATE = [
  ...["best_global_step", "best_metric", "best_model_checkpoint", "epoch", "eval_steps"],
  ...["global_step", "is_hyper_param_search", "is_local_process_zero", "is_world_process_zero"],
  ...["log_history", "logging_steps", "max_steps", "num_input_tokens_seen", "num_train_epochs"],
  ...["save_steps", "stateful_callbacks", "total_flos", "train_batch_size", "trial_name"],
  "trial_params",
];

const CONFIG = `{
  "alpha": {
    "c": [
      {
        "e": 2,
        "f": 1
      }
    ],
    "d": 1
  },
  "zeta": 1
}
`;

function exportHistoryOf(store: Parameters<typeof exportHistory>[0]) {
  return orThrow(exportHistory(store, "a"));
}

function textOf(files: ReadonlyMap<string, Uint8Array>, path: string): string {
  return new TextDecoder().decode(files.get(path));
}
