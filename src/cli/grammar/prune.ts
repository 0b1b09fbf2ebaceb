import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { command, constant, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { dryRun, json, runArgument, store } from "./options.ts";
import { retention } from "./training_options.ts";

/** What `foldlog prune` takes. */
export const prune = command(
  "prune",
  object({
    verb: constant("prune"),
    run: runArgument,
    ...retention,
    youngerThan: optional(option("--younger-than", string({ metavar: "AGE" }), {
      description: message`keep those that are younger, such as 7d, 12h or 30m`,
    })),
    ...dryRun,
    ...store,
    ...json,
  }),
  {
    brief: message`remove the snapshots of a run that no rule keeps`,
    description:
      message`Removes the snapshots of a run that no rule keeps, and frees what no run needs. The newest that can be read and the best are always kept; any other step can still be recomputed.`,
  },
);
