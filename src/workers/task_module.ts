import type { RunConfig } from "../core/config.ts";
import { fail } from "../ports/attempt.ts";
import type { Task, TaskSource } from "../ports/task.ts";
import type { RunError } from "../app/errors/errors.ts";

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

/** A function that a task module exports. It may throw a RangeError for settings that make no task. */
export type TaskMaker = (config: RunConfig, name: string) => Task | Promise<Task>;

/**
 * The task of a module, for a run whose task has this name, or how it is made of a config. Fails with
 * TaskUnusable where there is none, and says why.
 */
export async function loadTask(from: TaskModule, name: string): Promise<TaskSource> {
  const exported = await exportOf(from);
  if (typeof exported !== "function") return checked(from, exported);
  return async (config) => checked(from, await exported(config, name));
}

async function exportOf(from: TaskModule): Promise<unknown> {
  try {
    return (await import(from.module))[from.export];
  } catch (error) {
    return unusable(from, error instanceof Error ? error.message : String(error));
  }
}

function checked(from: TaskModule, found: unknown): Task {
  if (isTask(found)) return found;
  return unusable(from, found === undefined ? "there is none" : "it is another value");
}

function unusable(from: TaskModule, reason: string): never {
  return fail({ type: "TaskUnusable", ...from, reason } satisfies RunError);
}

function isTask(value: unknown): value is Task {
  return typeof value === "object" && value !== null && "name" in value && "data" in value &&
    "init" in value && typeof value.init === "function" &&
    "loss" in value && typeof value.loss === "function";
}
