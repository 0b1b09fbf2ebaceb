import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { command, constant, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { branch, following, json, runAtArgument, store } from "./options.ts";

/** What `foldlog show` takes. */
export const show = command(
  "show",
  object({
    verb: constant("show"),
    run: runAtArgument,
    branch,
    code: optional(option("--code", string({ metavar: "DIR" }), {
      description:
        message`write the code that computes the run to this directory, which is empty or new`,
    })),
    plot: option("--plot", {
      description: message`draw the losses: of the training, and of evaluations as dots`,
    }),
    ...following,
    ...store,
    ...json,
  }),
  { brief: message`what a run is and how far it came` },
);
