import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { multiple, optional } from "@optique/core/modifiers";
import { argument, command, constant, option } from "@optique/core/primitives";
import { float, integer, string } from "@optique/core/valueparser";
import { json } from "./options.ts";

/** What `foldlog tokenize` takes. */
export const tokenize = command(
  "tokenize",
  object({
    verb: constant("tokenize"),
    files: multiple(
      argument(string({ metavar: "FILE" }), { description: message`a text in UTF-8` }),
      {
        min: 1,
      },
    ),
    out: option("--out", string({ metavar: "DIR" }), {
      description: message`the directory of the shards, which is empty or new`,
    }),
    validation: optional(option("--validation", float({ metavar: "SHARE", min: 0, max: 1 }), {
      description: message`share of the texts, at their end, for validation; none unless given`,
    })),
    shardTokens: optional(option("--shard-tokens", integer({ metavar: "N", min: 2 }), {
      description: message`tokens of a shard; 100,000,000 unless given`,
    })),
    prefix: optional(option("--prefix", string({ metavar: "NAME" }), {
      description: message`how the names of the shards begin; the name of DIR unless given`,
    })),
    ...json,
  }),
  {
    brief: message`make token shards of texts, with GPT-2's BPE`,
    description:
      message`Makes shards in the format of llm.c, NAME_train_000000.bin and on, of text files: each is a document that begins with <|endoftext|>. They are what the recipe gpt2 takes as data.train and data.validation. All of them are written, or none.`,
  },
);
