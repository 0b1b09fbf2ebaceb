import type { Plan } from "./plan.ts";
import type { Device } from "../../ports/device.ts";
import { batchToDevice } from "../../train/device_tensor.ts";
import { release, scoped } from "../../train/ownership.ts";
import { withPrecision } from "../../train/precision.ts";
import type { HostBatch } from "../../train/loss.ts";
import type { TrainState } from "../../train/train_state.ts";
import type { Tree } from "../../train/tree.ts";

/** The mean loss over held-out batches, and how many samples that were. */
export interface EvaluationResult {
  readonly loss: number;
  readonly samples: number;
  /** The mean loss of the average of the parameters, where one is kept. */
  readonly emaLoss?: number;
}

/**
 * Evaluates a state's parameters, and their average where it has one, on the first `evaluate.batches`
 * batches of the task's held-out data, the same at every evaluation. Borrows the state. Undefined where
 * the task has no evaluation, or none of `evaluate.batches` is full.
 */
export async function evaluate(
  { task, config }: Plan,
  device: Device,
  { params, ema }: TrainState,
): Promise<EvaluationResult | undefined> {
  const { evaluation } = task;
  if (evaluation === undefined) return undefined;
  const size = config.batch.micro;
  const full = Math.floor(evaluation.data.identity.samples / size);
  const batches = Math.min(config.evaluate.batches, full);
  if (batches === 0) return undefined;
  const lossOf = async (tree: Tree, batch: HostBatch): Promise<number> => {
    const loss = scoped(() =>
      withPrecision(config.precision, () => evaluation.loss(tree, batchToDevice(batch)))
    );
    const { data } = await device.read(loss).finally(() => release(loss));
    return data[0]!;
  };
  let [sum, emaSum] = [0, 0];
  for (let number = 0; number < batches; number++) {
    const samples = Array.from({ length: size }, (_, index) => number * size + index);
    const batch = await evaluation.data.at(samples);
    sum += await lossOf(params, batch);
    if (ema !== undefined) emaSum += await lossOf(ema, batch);
  }
  const emaLoss = ema === undefined ? {} : { emaLoss: emaSum / batches };
  return { loss: sum / batches, samples: batches * size, ...emaLoss };
}
