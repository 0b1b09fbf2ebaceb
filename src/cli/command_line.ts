import { or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import type { InferValue } from "@optique/core/parser";
import { runSync } from "@optique/run";
import config from "../../deno.json" with { type: "json" };
import { verbs } from "./grammar/verbs.ts";

// Spread from an array: the types of a tuple end at fifteen.
const grammar = or(...Object.values(verbs));

/** What the command line asks for. */
export type Arguments = InferValue<typeof grammar>;

/** The arguments of one verb. */
export type ArgumentsOf<Verb extends Arguments["verb"]> = Extract<Arguments, { verb: Verb }>;

/** Reads the command line; prints help and exits 0, or says what is wrong with it and exits 2. */
export function readCommandLine(args: readonly string[]): Arguments {
  const verb = Object.entries(verbs).find(([name]) => name === args[0])?.[1];
  // The grammar of the verb alone: what is said of a mistake is of that verb.
  return runSync((verb ?? grammar) as typeof grammar, {
    args,
    programName: "foldlog",
    brief: message`foldlog trains models as a fold over an append-only log.`,
    help: verb === undefined ? "both" : "option",
    version: config.version,
    ...(verb === undefined && { completion: "command" }),
    errorExitCode: 2,
    aboveError: "usage",
  });
}
