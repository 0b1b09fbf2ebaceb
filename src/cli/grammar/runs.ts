import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { command, constant, option } from "@optique/core/primitives";
import { json, store } from "./options.ts";

/** What `foldlog runs` takes. */
export const runs = command(
  "runs",
  object({
    verb: constant("runs"),
    tree: option("--tree", { description: message`draw which run is a fork of which` }),
    best: option("--best", { description: message`those with the lowest best loss first` }),
    ...store,
    ...json,
  }),
  { brief: message`list the runs` },
);
