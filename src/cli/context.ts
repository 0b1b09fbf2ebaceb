import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { type BackendChoice, BACKENDS } from "../adapters/device/backend_choice.ts";
import { describeError } from "../app/errors/describe_error.ts";
import type { RunError } from "../app/errors/errors.ts";
import { nearest } from "../core/nearest.ts";
import { parseRunId, type RunId } from "../core/run_id.ts";
import type { RunState } from "../core/run_state.ts";
import { namesWeights, WEIGHTS_ALONE } from "../core/weights_name.ts";
import type { Recipe } from "../recipes/recipe.ts";
import { UsageError } from "./usage_error.ts";

/** The directory of the runs: the flag, else FOLDLOG_RUNS, else runs/. */
export function runsDirectory(flag: string | undefined): string {
  if (flag === "") {
    throw new UsageError("Expected --runs to name a directory, found an empty text.");
  }
  return flag ?? (Deno.env.get("FOLDLOG_RUNS") || "runs");
}

/** What to say where there is no such directory of runs, which may be mistyped; undefined where one is. */
export async function missingDirectory(root: string): Promise<string | undefined> {
  try {
    await Deno.stat(root);
    return undefined;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) return undefined; // whoever reads it says why
    return `There is no directory ${root}. \`--runs DIR\` names another.`;
  }
}

/** The backend: the flag, else FOLDLOG_BACKEND, else undefined. */
export function backendChoice(flag: BackendChoice | undefined): BackendChoice | undefined {
  const name = flag ?? (Deno.env.get("FOLDLOG_BACKEND") || undefined);
  const known: readonly string[] = ["auto", ...BACKENDS];
  if (name !== undefined && !known.includes(name)) {
    throw new UsageError(
      `Expected FOLDLOG_BACKEND to be one of ${known.join(", ")}, found "${name}".`,
    );
  }
  return name as BackendChoice | undefined;
}

/** A run id that was typed. */
export function runIdOf(text: string): RunId {
  const id = parseRunId(text);
  if (E.isRight(id)) return id.right;
  if (namesWeights(text)) {
    throw new UsageError(`Expected the name of a run, found "${text}", ${WEIGHTS_ALONE}.`);
  }
  throw new UsageError(`"${text}" cannot name a run: ${id.left.reason}.`);
}

/** The recipe of a name. */
export function recipeNamed(recipes: readonly Recipe[], name: string): Recipe {
  const found = recipes.find((recipe) => recipe.name === name);
  if (found !== undefined) return found;
  const names = recipes.map((recipe) => recipe.name);
  const [near] = nearest(name, names);
  const hint = near === undefined ? "" : ` Did you mean "${near}"?`;
  throw new UsageError(
    `There is no recipe "${name}".${hint} The recipes are: ${names.join(", ")}.`,
  );
}

/** The recipe that a run was started with. A run of a script's own task has none here. */
export function recipeOf(recipes: readonly Recipe[], run: RunId, state: RunState): Recipe {
  const found = recipes.find((recipe) => recipe.name === state.task);
  if (found !== undefined) return found;
  throw new UsageError(
    `Run "${run}" is of the task "${state.task}", which is no recipe but a script's own. ` +
      "Continue or replay it with trainRun or replayRun in that script.",
  );
}

/** What a workflow gives; a RunError ends the command with its message. */
export async function orExit<A>(work: TaskEither<RunError, A>): Promise<A> {
  const result = await work();
  if (E.isRight(result)) return result.right;
  throw new RunFailure(result.left);
}

/** A RunError on its way to `main`. */
export class RunFailure extends Error {
  constructor(readonly error: RunError) {
    super(describeError(error));
  }

  /** 1 where a training was tried and the answer is no, 2 where it could not be tried. */
  get exitStatus(): number {
    return ["Diverged", "TaskFailed", "DeviceMemoryFull", "ProbeFailed"].includes(this.error.type)
      ? 1
      : 2;
  }
}

/** Prints data for programs. */
export function printJson(value: unknown): void {
  console.log(jsonText(value));
}

/** Data for programs, in a line. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_, member) => encodeMember(member));
}

/** JSON has no NaN and no infinities: they become strings, as in the log. */
function encodeMember(value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}
