import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { argument, command, constant } from "@optique/core/primitives";
import { runName } from "./completed_names.ts";
import { device, json, store } from "./options.ts";

/** What `foldlog bisect` takes. */
export const bisect = command(
  "bisect",
  object({
    verb: constant("bisect"),
    a: argument(runName("A"), { description: message`a run` }),
    b: argument(runName("B"), { description: message`the run to compare it with` }),
    ...device,
    ...store,
    ...json,
  }),
  {
    brief: message`the step at which two runs part, by recomputing them; exits 1 if they do`,
    description:
      message`Finds the first step after which the states of two runs differ: by what both logs say, and where they say too little, by recomputing both, each compared with its own log. Exits 0 if they never part, 1 if they do.`,
  },
);
