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
    ...store,
    ...json,
  }),
  { brief: message`list the runs` },
);
