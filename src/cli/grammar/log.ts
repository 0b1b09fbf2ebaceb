import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { command, constant, option } from "@optique/core/primitives";
import { branch, following, json, runArgument, store } from "./options.ts";

/** What `foldlog log` takes. */
export const log = command(
  "log",
  object({
    verb: constant("log"),
    run: runArgument,
    branch,
    live: option("--live", { description: message`the live branch alone: each step once` }),
    ...following,
    ...store,
    ...json,
  }),
  { brief: message`a run's events, one a line` },
);
