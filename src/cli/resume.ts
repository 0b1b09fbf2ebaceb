import { readHead } from "../app/reading/read_run.ts";
import { recipes } from "../recipes/mod.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { carryOut } from "./carry_out.ts";
import { orExit, recipeOf, runIdOf } from "./context.ts";
import { settingsOfArguments } from "./settings_of_arguments.ts";
import { storeOf } from "./store_of.ts";

/** Continues a run that exists, from any of its steps. */
export async function run(args: ArgumentsOf<"resume">): Promise<number> {
  const id = runIdOf(args.run);
  const store = storeOf(args);
  const { state } = await orExit(readHead(store, id));
  const recipe = recipeOf(recipes, id, state);
  const { asked } = await settingsOfArguments(state.config!, args, recipe);
  return await carryOut({ args, store, id, recipe, state, asked });
}
