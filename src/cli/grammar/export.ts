import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { command, constant, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { oneOf } from "./one_of.ts";
import { json, runAtArgument, store } from "./options.ts";

/** What `foldlog export` takes. */
export const exportVerb = command(
  "export",
  object({
    verb: constant("export"),
    run: runAtArgument,
    format: option("--format", oneOf("safetensors", "peft", "hf", "jsonl", "csv"), {
      description:
        message`safetensors: a file of the parameters; hf, peft: a directory as Hugging Face's tools read it; jsonl, csv: the history, a line for each step`,
    }),
    out: optional(option("--out", string({ metavar: "PATH" }), {
      description:
        message`where to write, which must not be there yet; jsonl and csv are printed without it`,
    })),
    checkpoints: option("--checkpoints", {
      description: message`with hf and peft: a directory checkpoint-N for each kept snapshot too`,
    }),
    ...store,
    ...json,
  }),
  {
    brief: message`write a run's weights or its history for other tools`,
    description:
      message`Writes the parameters at a place of which the run keeps the snapshot (the newest unless one is named; foldlog materialize makes any), or the history up to it, each step once.`,
  },
);
