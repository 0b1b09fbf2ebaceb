import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { command, constant, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { json, runAtArgument, store } from "./options.ts";

/** What `foldlog merge` takes. */
export const merge = command(
  "merge",
  object({
    verb: constant("merge"),
    run: runAtArgument,
    out: option("--out", string({ metavar: "FILE" }), {
      description: message`the safetensors file to write, which must not be there yet`,
    }),
    ...store,
    ...json,
  }),
  {
    brief: message`write one model of a base and the adapters that a run has trained`,
    description:
      message`Writes W + scale A B for each adapted weight W of the base, and the base's other weights, at a place of which the run keeps the snapshot, the newest unless one is named. foldlog export --format hf writes the same as a directory, for recipes that have it.`,
  },
);
