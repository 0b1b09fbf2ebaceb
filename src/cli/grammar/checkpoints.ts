import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { command, constant, option } from "@optique/core/primitives";
import { json, runArgument, store } from "./options.ts";

/** What `foldlog checkpoints` takes. */
export const checkpoints = command(
  "checkpoints",
  object({
    verb: constant("checkpoints"),
    run: runArgument,
    latest: option("--latest", { description: message`only the newest` }),
    ...store,
    ...json,
  }),
  { brief: message`the snapshots that a run can be resumed from` },
);
