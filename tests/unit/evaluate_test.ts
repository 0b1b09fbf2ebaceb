import assert from "node:assert/strict";
import type { Device } from "foldlog";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { evaluate } from "../../src/app/training/evaluate.ts";
import { initialStateOf, planOf } from "../../src/app/training/plan.ts";
import { defaultConfig, mergeConfig, type Precision } from "../../src/core/config.ts";
import { batchToDevice } from "../../src/train/device_tensor.ts";
import { release, scoped } from "../../src/train/ownership.ts";
import { withPrecision } from "../../src/train/precision.ts";
import { tensorsOf } from "../../src/train/train_state.ts";
import { mapTree, type Tree } from "../../src/train/tree.ts";
import { backendTest } from "../support/backends.ts";
import { hazardTask } from "../support/hazard_runs.ts";

const PRECISIONS: readonly Precision[] = ["float32", "mixed_float16"];

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "evaluate() computes in the precision of the run, of the average of the parameters too",
    async (device) => {
      const [plain, mixed] = await Promise.all(PRECISIONS.map((at) => lossesIn(device, at)));
      assert.notDeepEqual(plain, mixed);
      assert.deepEqual(await evaluatedIn(device, "float32"), plain);
      assert.deepEqual(await evaluatedIn(device, "mixed_float16"), mixed);
    },
  );
}

/** What `evaluate` says of a state whose average is another than its parameters. */
async function evaluatedIn(device: Device, precision: Precision): Promise<readonly number[]> {
  const { plan, state, ema } = made(precision);
  const result = await evaluate(plan, device, { ...state, ema });
  release([tensorsOf(state), ema]);
  assert.equal(result?.samples, 4);
  return [result.loss, result.emaLoss!];
}

/** The mean losses of the first two held-out batches, in a scope of a precision. */
async function lossesIn(device: Device, precision: Precision): Promise<readonly number[]> {
  const { plan, state, ema } = made("float32");
  const { loss, data } = plan.task.evaluation!;
  const means = await Promise.all([state.params, ema].map(async (params) => {
    let sum = 0;
    for (const samples of [[0, 1], [2, 3]]) {
      const batch = await data.at(samples);
      const value = scoped(() =>
        withPrecision(precision, () => loss(params, batchToDevice(batch)))
      );
      sum += (await device.read(value)).data[0]!;
      value.dispose();
    }
    return sum / 2;
  }));
  release([tensorsOf(state), ema]);
  return means;
}

function made(precision: Precision) {
  const task = hazardTask({ precision });
  const plan = planOf(task, mergeConfig(defaultConfig, task.config!));
  const state = initialStateOf(plan);
  const ema: Tree = mapTree((leaf) => tf.mul(leaf, 0.7), state.params);
  return { plan, state, ema };
}
