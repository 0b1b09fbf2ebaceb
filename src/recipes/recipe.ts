import type { RunConfig } from "../core/config.ts";
import type { Task } from "../ports/task.ts";

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
}
