import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { command, constant, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import { branch, device, json, runArgument, store } from "./options.ts";

/** What `foldlog verify` takes. */
export const verify = command(
  "verify",
  object({
    verb: constant("verify"),
    run: runArgument,
    replay: option("--replay", {
      description: message`recompute every step and compare it, bit for bit`,
    }),
    from: optional(option("--from", integer({ metavar: "STEP", min: 0 }), {
      description: message`with --replay: begin at the nearest snapshot at or before this step`,
    })),
    to: optional(option("--to", integer({ metavar: "STEP", min: 1 }), {
      description: message`with --replay: end at the nearest snapshot at or after this step`,
    })),
    sample: optional(option("--sample", integer({ metavar: "K", min: 1 }), {
      description:
        message`with --replay: recompute K segments between snapshots, taken at random, and say the chance of catching a forged one`,
    })),
    workers: optional(option("--workers", integer({ metavar: "N", min: 1 }), {
      description: message`with --replay: recompute N segments at once; one unless given`,
    })),
    branch,
    repair: option("--repair", {
      description:
        message`make anew what the log can make anew: derived files, and lost snapshots by recomputation`,
    }),
    ...device,
    ...store,
    ...json,
  }),
  { brief: message`check a run's log and snapshots; exits 1 if something is wrong` },
);
