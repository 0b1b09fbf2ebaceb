import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument, command, constant, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { recipeName } from "./completed_names.ts";
import { oneOf } from "./one_of.ts";
import { device, json, store } from "./options.ts";
import { continuing, keeping, retention, setting } from "./training_options.ts";

/** What `foldlog train` takes. */
export const train = command(
  "train",
  object({
    verb: constant("train"),
    recipe: optional(argument(recipeName("RECIPE"), {
      description: message`what to train; --list shows the recipes`,
    })),
    list: option("--list", { description: message`show the recipes and their settings` }),
    run: optional(option("--run", string({ metavar: "ID" }), {
      description: message`name of the run; the recipe's name unless given`,
    })),
    base: optional(option("--base", string({ metavar: "WEIGHTS" }), {
      description:
        message`weights that a new run begins with: RUN or RUN@PLACE, a safetensors file, a directory of Hugging Face's, or llm.c's model .bin`,
    })),
    resume: optional(option("--resume", oneOf("auto", "never", "must"), {
      description:
        message`continue the run if it exists (auto), start another beside it (never), or expect it to exist (must)`,
    })),
    ...setting,
    ...continuing,
    ...keeping,
    ...retention,
    ...device,
    ...store,
    ...json,
  }),
  { brief: message`start a run, or continue the one that is there` },
);
