import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { command, constant } from "@optique/core/primitives";
import { device, json, runAtArgument, store } from "./options.ts";

/** What `foldlog materialize` takes. */
export const materialize = command(
  "materialize",
  object({ verb: constant("materialize"), run: runAtArgument, ...device, ...store, ...json }),
  { brief: message`make the snapshot of any step by recomputation, and keep it` },
);
