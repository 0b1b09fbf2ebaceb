import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { command, constant, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { device, json, runArgument, store } from "./options.ts";

/** What `foldlog probe` takes. */
export const probe = command(
  "probe",
  object({
    verb: constant("probe"),
    run: runArgument,
    from: option("--from", string({ metavar: "STEP" }), {
      description: message`the first step: a number, or a name such as best`,
    }),
    to: option("--to", string({ metavar: "STEP" }), { description: message`the last step` }),
    with: option("--with", string({ metavar: "FILE" }), {
      description: message`a module whose default export is the probe`,
    }),
    export: optional(option("--export", string({ metavar: "NAME" }), {
      description: message`its export of this name in place of the default one`,
    })),
    out: optional(option("--out", string({ metavar: "FILE" }), {
      description: message`where to write: RUNS/RUN/probes/NAME-FROM-TO.jsonl unless given`,
    })),
    ...device,
    ...store,
    ...json,
  }),
  {
    brief: message`ask past steps a question; exits 1 if they are not as recorded`,
    description:
      message`Recomputes past steps, compares them with the log, and writes what a function of yours finds of each, with the proof that they are the recorded ones. src/train/probes.ts has gradientNorms, perSampleLosses and weightNorms.`,
  },
);
