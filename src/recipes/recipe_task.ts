import type { RunConfig } from "../core/config.ts";
import type { Task } from "../ports/task.ts";
import { recipes } from "./mod.ts";

/**
 * The task of the recipe of this name under a config: what a worker makes the task of a run with, by the
 * name that its log has.
 *
 * @throws {RangeError} for a name of no recipe
 */
export async function recipeTask(config: RunConfig, name: string): Promise<Task> {
  const recipe = recipes.find((recipe) => recipe.name === name);
  if (recipe !== undefined) return await recipe.task(config);
  const names = recipes.map((recipe) => recipe.name).join(", ");
  throw new RangeError(`expected a recipe (${names}), found the name "${name}"`);
}
