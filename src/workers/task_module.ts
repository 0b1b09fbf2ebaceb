import type { RunConfig } from "../core/config.ts";
import { fail } from "../ports/attempt.ts";
import type { Task } from "../ports/task.ts";
import type { RunError } from "../app/errors.ts";

/**
 * Where a worker has a task from: a task is code, which cannot be sent.
 *
 * The export is a task, or a function that makes one of the run's config; a function is given the name of
 * the run's task too, so that one export can make several.
 */
export interface TaskModule {
  /** The module's address: `import.meta.resolve("./task.ts")`. */
  readonly module: string;
  /** The name of the export; "default" is the default one. */
  readonly export: string;
}

/** A function that a task module exports. */
export type TaskMaker = (config: RunConfig, name: string) => Task | Promise<Task>;

/** Loads a task. Fails with TaskUnusable where there is none, and says why. */
export async function loadTask(from: TaskModule, config: RunConfig, name: string): Promise<Task> {
  const found = await orUnusable(from, async () => {
    const exported: unknown = (await import(from.module))[from.export];
    return typeof exported === "function" ? await exported(config, name) : exported;
  });
  if (isTask(found)) return found;
  return unusable(from, found === undefined ? "there is none" : "it is another value");
}

async function orUnusable<A>(from: TaskModule, work: () => Promise<A>): Promise<A> {
  try {
    return await work();
  } catch (error) {
    return unusable(from, error instanceof Error ? error.message : String(error));
  }
}

function unusable(from: TaskModule, reason: string): never {
  return fail({ type: "TaskUnusable", ...from, reason } satisfies RunError);
}

function isTask(value: unknown): value is Task {
  return typeof value === "object" && value !== null && "name" in value && "data" in value &&
    "init" in value && typeof value.init === "function" &&
    "loss" in value && typeof value.loss === "function";
}
