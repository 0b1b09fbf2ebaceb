import type { RunConfig, Settings } from "../core/config.ts";
import type { TensorGroup } from "../core/snapshot.ts";
import type { ModelFiles } from "../core/model_files.ts";
import type { Task } from "../ports/task.ts";

export type { ModelFiles } from "../core/model_files.ts";

/** A ready task: a model, data and defaults. A named value that users can copy. */
export interface Recipe {
  readonly name: string;
  /** One line for `train --list`. */
  readonly description: string;
  /** Every setting and its default. */
  readonly config: RunConfig;
  /** URL of the module that has it: its `import.meta.url`. */
  readonly module: string;
  /** The task under a config. Reads its data; throws a RangeError for settings that make no model. */
  readonly task: (config: RunConfig) => Task | Promise<Task>;
  /**
   * URL of a config file with presets of its own: what `--config NAME` names. It is no part of a run's code:
   * it computes nothing, and each setting that it gives is in the log.
   */
  readonly presets?: string;
  /** Which weights a run of it can begin with, by `--base`, and does where none are named. */
  readonly base?: BaseWeights;
  /** How its weights are written for other tools. */
  readonly exports?: Exports;
}

/** Weights that a run begins with in place of those that its task draws. */
export interface BaseWeights {
  /** The branch of the parameters that they are, such as "base"; all of the parameters unless given. */
  readonly into?: string;
  /**
   * The run that has them, unless others are named, and the recipe that trains it where it is not there.
   * Without it they are drawn, unless some are named.
   */
  readonly trained?: { readonly recipe: string; readonly run: string };
  /**
   * The settings (`model.*`) of a model with these weights, by the names that this recipe has for them, and
   * with so many heads where that is known. Throws a RangeError where they are no such model's.
   */
  readonly model?: (weights: TensorGroup, heads: number | undefined) => Settings;
}

/** How the weights of a recipe are written for other tools: each a pure function of host tensors. */
export interface Exports {
  /** A model directory in Hugging Face's layout, of weights as `merged` gives them. */
  readonly hf?: (weights: TensorGroup, config: RunConfig) => ModelFiles;
  /** The adapters alone, as PEFT has them; `base` names the model that they are of. */
  readonly peft?: (weights: TensorGroup, config: RunConfig, base: string) => ModelFiles;
  /** The weights of one model, adapters merged into their base: what `hf` and `merge` write. */
  readonly merged?: (weights: TensorGroup, config: RunConfig) => TensorGroup;
}
