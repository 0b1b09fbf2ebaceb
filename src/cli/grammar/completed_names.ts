import type { NonEmptyString } from "@optique/core/nonempty";
import { string, type ValueParser } from "@optique/core/valueparser";
import * as E from "fp-ts/Either.js";
import { parseRunId } from "../../core/run_id.ts";

/** Any text, for which a shell's completion offers the runs that there are, in FOLDLOG_RUNS or runs/. */
export function runName(metavar: NonEmptyString): ValueParser<"sync", string> {
  return offering(metavar, runsHere);
}

/** Any text, for which a shell's completion offers the recipes, once they are loaded. */
export function recipeName(metavar: NonEmptyString): ValueParser<"sync", string> {
  return offering(metavar, () => recipes);
}

let recipes: readonly string[] = [];

/** Loads the names of the recipes for a completion: only it needs them before it is known what is asked. */
export async function loadRecipeNames(): Promise<void> {
  recipes = (await import("../../recipes/mod.ts")).recipes.map(({ name }) => name);
}

function offering(
  metavar: NonEmptyString,
  names: () => readonly string[],
): ValueParser<"sync", string> {
  return {
    ...string({ metavar }),
    *suggest(prefix) {
      for (const text of names()) if (text.startsWith(prefix)) yield { kind: "literal", text };
    },
  };
}

/** Directories that can be those of runs; none where they cannot be listed: a completion has no errors. */
function runsHere(): readonly string[] {
  try {
    return [...Deno.readDirSync(Deno.env.get("FOLDLOG_RUNS") || "runs")]
      .filter(({ name, isDirectory }) => isDirectory && E.isRight(parseRunId(name)))
      .map(({ name }) => name).sort();
  } catch {
    return [];
  }
}
