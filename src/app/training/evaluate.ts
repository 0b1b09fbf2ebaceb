import type { Plan } from "./plan.ts";
import type { Measures } from "../../core/measures.ts";
import type { Device } from "../../ports/device.ts";
import { batchToDevice } from "../../train/device_tensor.ts";
import { release, scoped } from "../../train/ownership.ts";
import { withPrecision } from "../../train/precision.ts";
import type { Batch, HostBatch } from "../../train/loss.ts";
import type { TrainState } from "../../train/train_state.ts";
import type { Scalar, Tree } from "../../train/tree.ts";
import { addMeasured, measuredMeans } from "./measured_means.ts";

/** The mean loss over held-out batches, and how many samples that were. */
export interface EvaluationResult {
  readonly loss: number;
  readonly samples: number;
  /** The mean loss of the average of the parameters, where one is kept. */
  readonly emaLoss?: number;
  /** What the task measures besides, of the average of the parameters where one is kept. */
  readonly measures?: Measures;
}

/**
 * Evaluates a state's parameters, and their average where it has one, on the first `evaluate.batches`
 * batches of the task's held-out data, the same at every evaluation. Borrows the state. Undefined where
 * the task has no evaluation, or none of `evaluate.batches` is full. Throws a TypeError or RangeError where
 * the task's measures are none.
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
  const read = async <Name extends string>(
    tree: Tree,
    batch: HostBatch,
    measure: (tree: Tree, batch: Batch) => Readonly<Record<Name, Scalar>>,
  ) => {
    const work = () => measure(tree, batchToDevice(batch));
    const scalars = scoped(() => withPrecision(config.precision, work));
    return await readScalars(device, scalars).finally(() =>
      release(Object.values<Scalar>(scalars), tree)
    );
  };
  let [sum, emaSum] = [0, 0];
  const sums = new Map<string, number>();
  for (let number = 0; number < batches; number++) {
    const samples = Array.from({ length: size }, (_, index) => number * size + index);
    const batch = await evaluation.data.at(samples);
    const lossOf = async (tree: Tree): Promise<number> =>
      (await read(tree, batch, (...of) => ({ loss: evaluation.loss(...of) }))).loss;
    sum += await lossOf(params);
    if (ema !== undefined) emaSum += await lossOf(ema);
    if (evaluation.measures === undefined) continue;
    const measured = await read(ema ?? params, batch, (...of) => evaluation.measures!(...of));
    addMeasured(sums, measured, number === 0);
  }
  return {
    loss: sum / batches,
    samples: batches * size,
    ...(ema !== undefined && { emaLoss: emaSum / batches }),
    ...(sums.size > 0 && { measures: measuredMeans(sums, batches) }),
  };
}

/** Reads scalars back, which are borrowed. */
async function readScalars<Name extends string>(
  device: Device,
  scalars: Readonly<Record<Name, Scalar>>,
): Promise<Readonly<Record<Name, number>>> {
  const values: [string, number][] = [];
  for (const [name, scalar] of Object.entries<Scalar>(scalars)) {
    values.push([name, (await device.read(scalar)).data[0]!]);
  }
  return Object.fromEntries(values) as Record<Name, number>;
}
