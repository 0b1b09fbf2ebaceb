import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { command, constant, option } from "@optique/core/primitives";
import { BACKENDS } from "../../adapters/device/backend_choice.ts";
import { oneOf } from "./one_of.ts";
import { json } from "./options.ts";

/** What `foldlog doctor` takes. */
export const doctor = command(
  "doctor",
  object({
    verb: constant("doctor"),
    backend: optional(option("--backend", oneOf(...BACKENDS), {
      description: message`only this backend`,
    })),
    // What a fresh process is asked: the report of one round on one backend, as JSON.
    selfTest: optional(option("--self-test", oneOf(...BACKENDS), { hidden: true })),
    ...json,
  }),
  {
    brief:
      message`the backends that work here, and whether their kernels are exact; exits 1 if not`,
  },
);
