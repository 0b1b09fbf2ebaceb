import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import { BACKENDS } from "../../adapters/device/backend_choice.ts";
import { runName } from "./completed_names.ts";
import { oneOf } from "./one_of.ts";

/** Where runs are kept. */
export const store = {
  runs: optional(option("--runs", string({ metavar: "DIR" }), {
    description: message`where runs are kept: FOLDLOG_RUNS, or else runs/`,
  })),
};

/** Data for programs in place of text. */
export const json = {
  json: option("--json", { description: message`print data for programs` }),
};

/** What computes. */
export const device = {
  backend: optional(option("--backend", oneOf("auto", ...BACKENDS), {
    description:
      message`what computes: FOLDLOG_BACKEND, or else auto, which is a hardware WebGPU adapter or wasm`,
  })),
};

/** A run by its name. */
export const runArgument = argument(runName("RUN"), {
  description: message`name of the run`,
});

/** A run, or a place in one. */
export const runAtArgument = argument(runName("RUN[@PLACE]"), {
  description: message`name of the run, alone or with a step or the name of a checkpoint`,
});

/** A place in the run that the verb is about. */
export const at = optional(option("--at", string({ metavar: "PLACE" }), {
  description:
    message`a step, best, final, or a checkpoint by name, such as step-001200; the last step unless given`,
}));

/** A branch of a run other than the live one. */
export const branch = optional(option("--branch", integer({ metavar: "N", min: 1 }), {
  description: message`the Nth branch that the run left when it went back, not the live one`,
}));

/** A look at what would be done. */
export const dryRun = {
  dryRun: option("--dry-run", { description: message`change nothing, and say what would be done` }),
};

/** A look that goes on. */
export const following = {
  follow: option("--follow", {
    description:
      message`go on as the run is trained elsewhere, until it is complete or Ctrl+C; a run that is not there yet is waited for`,
  }),
};
