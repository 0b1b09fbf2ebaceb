import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { argument, command, constant } from "@optique/core/primitives";
import { runName } from "./completed_names.ts";
import { device, json, store } from "./options.ts";

/** What `foldlog diff` takes. */
export const diff = command(
  "diff",
  object({
    verb: constant("diff"),
    a: argument(runName("A"), {
      description: message`a run, up to a step of it where one is named: RUN or RUN@STEP`,
    }),
    b: argument(runName("B"), { description: message`the run to compare it with` }),
    ...device,
    ...store,
    ...json,
  }),
  {
    brief: message`in what two runs differ; exits 1 if in anything`,
    description:
      message`In what two runs differ: the first event, settings, environment, data and code, and the state leaf by leaf, at the named step, recomputed where it is not kept, or at one of which both keep a snapshot. Exits 0 if nothing differs, 1 if something does.`,
  },
);
