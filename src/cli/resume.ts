import { fileStore } from "../adapters/file_store.ts";
import { readRun } from "../app/read_run.ts";
import { recipes } from "../recipes/mod.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, recipeOf, runIdOf, runsDirectory } from "./context.ts";
import { carryOut } from "./carry_out.ts";

/** Continues a run that exists. */
export async function run(args: ArgumentsOf<"resume">): Promise<number> {
  const id = runIdOf(args.run);
  const store = fileStore(runsDirectory(args.runs));
  const { state } = await orExit(readRun(store, id));
  const recipe = recipeOf(recipes, id, state);
  return await carryOut({ args, store, id, recipe, state, config: state.config!, asked: {} });
}
