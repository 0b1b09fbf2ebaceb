import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { command, constant } from "@optique/core/primitives";
import { dryRun, json, store } from "./options.ts";

/** What `foldlog gc` takes. */
export const gc = command("gc", object({ verb: constant("gc"), ...dryRun, ...store, ...json }), {
  brief: message`free what no run of the store needs`,
});
