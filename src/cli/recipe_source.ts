import type { RunConfig } from "../core/config.ts";
import type { Task } from "../ports/task.ts";
import type { Recipe } from "../recipes/recipe.ts";

/** How a recipe makes its task, which reads its data once for the same settings. */
export function recipeSource(recipe: Recipe): (config: RunConfig) => Promise<Task> {
  const made = new Map<string, Promise<Task>>();
  return (config) => {
    const key = JSON.stringify(config);
    const before = made.get(key);
    if (before !== undefined) return before;
    const task = Promise.resolve(config).then(recipe.task);
    made.set(key, task);
    return task;
  };
}
