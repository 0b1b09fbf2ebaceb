import type { RunConfig, Task } from "foldlog";
import { tenSteps } from "./ten_steps.ts";

/** As a recipe does: makes the task of the run's config and of the name that its log has. */
export function makesTask(config: RunConfig, name: string): Promise<Task> {
  if (config.steps.max !== 10) throw new RangeError(`expected 10 steps, found ${config.steps.max}`);
  return Promise.resolve({ ...tenSteps, name } as Task);
}

/** Refuses every config. */
export function refuses(): Task {
  throw new RangeError("no such model");
}

/** Has the name of a task and nothing else of it. */
export const notATask = { name: tenSteps.name };

/** Throws in a step. */
export const throws: Task = whoseData(() => {
  throw new Error("division by zero");
});

/** Ends its thread in a step, without a word. */
export const leaves: Task = whoseData(() => Deno.exit(3));

/** A step of it never ends, and something else of it throws meanwhile. */
export const fallsOver: Task = whoseData(() => {
  queueMicrotask(() => {
    throw new Error("a timer of the task threw");
  });
  return new Promise(() => {});
});

/** A step of it never ends. */
export const hangs: Task = whoseData(() => new Promise(() => {}));

function whoseData(at: Task["data"]["at"]): Task {
  const task = tenSteps as unknown as Task;
  return { ...task, data: { ...task.data, at } };
}
