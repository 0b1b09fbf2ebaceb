import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { command, constant, option } from "@optique/core/primitives";
import { oneOf } from "./one_of.ts";
import { at, device, json, runArgument, store } from "./options.ts";
import { continuing, keeping, retention, setting } from "./training_options.ts";

/** What `foldlog resume` takes. */
export const resume = command(
  "resume",
  object({
    verb: constant("resume"),
    run: runArgument,
    at,
    ...setting,
    onDivergence: optional(option("--on-divergence", oneOf("stop", "fork"), {
      description:
        message`where a step cannot be recomputed as recorded: stop (unless given), or go on as a fork from where all was exact`,
    })),
    ...continuing,
    ...keeping,
    ...retention,
    ...device,
    ...store,
    ...json,
  }),
  {
    brief: message`continue a run, from any step, with the settings it has or others`,
    description:
      message`Continues a run. What lies between a snapshot and the step is recomputed and compared with the log before anything is added. Going on from an earlier step leaves what followed in the log, as a branch of its own. Changed settings are recorded.`,
  },
);
