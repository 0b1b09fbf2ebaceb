import { grainOf } from "../core/config.ts";
import type { Plan } from "./plan.ts";
import type { Device } from "../ports/device.ts";
import { batchToDevice } from "../train/device_tensor.ts";
import { release, scoped } from "../train/ownership.ts";
import type { Tree } from "../train/tree.ts";

/** The mean loss over held-out batches, and how many samples that were. */
export interface EvaluationResult {
  readonly loss: number;
  readonly samples: number;
}

/**
 * Evaluates parameters on the first `evaluate.batches` batches of the task's held-out data, the same
 * at every evaluation. Borrows the parameters. Undefined where the task has no evaluation, or none
 * of `evaluate.batches` is full.
 */
export async function evaluate(
  { task, config }: Plan,
  device: Device,
  params: Tree,
): Promise<EvaluationResult | undefined> {
  const { evaluation } = task;
  if (evaluation === undefined) return undefined;
  const size = grainOf(config);
  const full = Math.floor(evaluation.data.identity.samples / size);
  const batches = Math.min(config.evaluate.batches, full);
  if (batches === 0) return undefined;
  let sum = 0;
  for (let number = 0; number < batches; number++) {
    const samples = Array.from({ length: size }, (_, index) => number * size + index);
    const batch = await evaluation.data.at(samples);
    const loss = scoped(() => evaluation.loss(params, batchToDevice(batch)));
    const { data } = await device.read(loss).finally(() => release(loss));
    sum += data[0]!;
  }
  return { loss: sum / batches, samples: batches * size };
}
