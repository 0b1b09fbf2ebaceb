import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { command, constant, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { at, branch, device, json, runArgument, store } from "./options.ts";
import { setting } from "./training_options.ts";

/** What `foldlog fork` takes. */
export const fork = command(
  "fork",
  object({
    verb: constant("fork"),
    parent: runArgument,
    at,
    branch,
    run: optional(option("--run", string({ metavar: "ID" }), {
      description: message`name of the new run; RUN-fork unless given`,
    })),
    weightsOnly: option("--weights-only", {
      description: message`take the parameters alone, into a training with a new optimiser`,
    }),
    withoutSamples: optional(option("--without-samples", string({ metavar: "LIST" }), {
      description:
        message`leave these samples out from there on: numbers and ranges, such as 3,17,40-45, or @FILE`,
    })),
    skipBatch: optional(option("--skip-batch", string({ metavar: "LIST" }), {
      description: message`leave out the batches that the run used in these steps, such as 130-134`,
    })),
    ...setting,
    ...device,
    ...store,
    ...json,
  }),
  { brief: message`make a new run that begins with the state of any step of another` },
);
