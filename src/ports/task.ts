import type { PartialConfig } from "../core/config.ts";
import type { RngKey } from "../core/rng_key.ts";
import type { Optimizer } from "../train/optimizer.ts";
import type { Loss } from "../train/loss.ts";
import type { Tree } from "../train/tree.ts";
import type { BatchSource } from "./batch_source.ts";
import type { Device } from "./device.ts";

/**
 * A training, as a user writes it and as a recipe is one.
 *
 * Its functions are pure: what they need to know is in their arguments, and their randomness comes
 * from the key alone. They borrow tensors and never free one.
 */
export interface Task<P extends Tree = Tree> {
  /** Recorded in the log; a run belongs to the task of this name. */
  readonly name: string;
  /** Settings in place of the defaults. */
  readonly config?: PartialConfig;
  /** The parameters at step 0. */
  readonly init: (key: RngKey) => P;
  /** The mean loss of a (micro-)batch, a scalar; its gradient trains the parameters. */
  readonly loss: Loss<P>;
  readonly data: BatchSource;
  /** Held-out data and how to score it; evaluated every `evaluate.every` steps. */
  readonly evaluation?: Evaluation<P>;
  /** A loss to measure the training against, for people: what it is, and its value. */
  readonly reference?: { readonly name: string; readonly loss: number };
  /** In place of the optimiser that the config names. */
  readonly optimizer?: Optimizer;
  /** A text that shows people what the parameters can do; never recorded. */
  readonly sample?: (params: P, key: RngKey, device: Device) => Promise<string>;
}

/** Held-out data, in batches that are the same at every evaluation. */
export interface Evaluation<P extends Tree = Tree> {
  readonly data: BatchSource;
  /** The mean loss of a batch; without randomness. */
  readonly loss: (params: P, batch: Parameters<Loss<P>>[1]) => ReturnType<Loss<P>>;
}
