import type { PartialConfig, RunConfig } from "../core/config.ts";
import type { RngKey } from "../core/rng_key.ts";
import type { OwnClasses } from "../core/setting_class.ts";
import type { Batch, HostBatch } from "../train/loss.ts";
import type { LeafPattern } from "../train/leaf_pattern.ts";
import type { Optimizer } from "../train/optimizer.ts";
import type { Scalar, Tree } from "../train/tree.ts";
import type { BatchSource } from "./batch_source.ts";
import type { Device } from "./device.ts";

/**
 * A training, as a user writes it and as a recipe is one.
 *
 * Its functions are pure: what they need to know is in their arguments, and their randomness comes
 * from the key alone. They borrow tensors and never free one. They are declared as methods so that a
 * task of any parameters and batches is a `Task`.
 */
export interface Task<P extends Tree = Tree, B extends HostBatch = HostBatch> {
  /** Recorded in the log; a run belongs to the task of this name. */
  readonly name: string;
  /** Settings in place of the defaults. */
  readonly config?: PartialConfig;
  /**
   * What it means to change settings of the task's own in the middle of a run. Without it `model.*` is the
   * architecture, which cannot change, and `data.*` the training.
   */
  readonly classes?: OwnClasses;
  readonly data: BatchSource<B>;
  /** Held-out data and how to score it; evaluated every `evaluate.every` steps. */
  readonly evaluation?: Evaluation<P, B>;
  /** A loss to measure the training against, for people: what it is, and its value. */
  readonly reference?: { readonly name: string; readonly loss: number };
  /** In place of the optimiser that the config names. */
  readonly optimizer?: Optimizer;
  /**
   * The parameters that are trained, by their paths; each pattern matches at least one. All are, where it
   * is left out. The loss gets the others too; they stay as `init` made them: no gradient is computed for
   * them, the optimiser and the average do not see them, and a store keeps them once for all snapshots.
   */
  readonly trainable?: LeafPattern | readonly LeafPattern[];
  /** The parameters at step 0. */
  init(key: RngKey): P;
  /** The mean loss of a (micro-)batch, a scalar; its gradient trains the parameters. */
  loss(params: P, batch: Batch<B>, key: RngKey): Scalar;
  /** A text that shows people what the parameters can do; never recorded. */
  sample?(params: P, key: RngKey, device: Device): Promise<string>;
  /**
   * Files that show people what the parameters of a step can do, such as pictures: made at each evaluation,
   * stored, and shown as `validation_samples/NAME` of the run. Their digests are recorded and compared, so
   * they follow from the arguments alone, byte for byte. The key is the same at every evaluation.
   *
   * Each name begins with the step ("step_200_sample_0.png"; `sampleNameFlaw`). The parameters are their
   * average, where one is kept, and are borrowed; what is computed is float32 in any run. Frees the tensors
   * that it makes (`scoped`), and reads them by `device`.
   */
  artifacts?(
    params: P,
    key: RngKey,
    device: Device,
    step: number,
  ): Promise<readonly { readonly name: string; readonly bytes: Uint8Array }[]>;
}

/**
 * A task, or how it is made of a config: where the settings of a run change, it has one task after
 * another. A function may throw a RangeError for settings that make no task.
 */
export type TaskSource<P extends Tree = Tree, B extends HostBatch = HostBatch> =
  | Task<P, B>
  | ((config: RunConfig) => Task<P, B> | Promise<Task<P, B>>);

/** Held-out data, in batches that are the same at every evaluation. */
export interface Evaluation<P extends Tree = Tree, B extends HostBatch = HostBatch> {
  readonly data: BatchSource<B>;
  /** The mean loss of a batch; without randomness. */
  loss(params: P, batch: Batch<B>): Scalar;
  /**
   * What else to measure of a batch, such as `{ accuracy }`: scalars by name, the same names for every batch,
   * without randomness. Their means over the batches are recorded, compared and shown; of the average of
   * the parameters, where one is kept.
   */
  measures?(params: P, batch: Batch<B>): Readonly<Record<string, Scalar>>;
}

/**
 * The task itself, the types of its parameters and batches inferred from `init` and `data`. Write
 * `evaluation` and `loss` after those: TypeScript infers in the order in which they stand.
 */
export function defineTask<P extends Tree, B extends HostBatch>(task: Task<P, B>): Task<P, B> {
  return task;
}
