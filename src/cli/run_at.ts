import type { RunAt } from "../app/compare/diff_runs.ts";
import type { RunId } from "../core/run_id.ts";
import { runIdOf } from "./context.ts";
import { UsageError } from "./usage_error.ts";

/** A run that was typed, alone or with a step of it: `RUN` or `RUN@STEP`. */
export function runAtOf(text: string): RunAt {
  const at = text.indexOf("@");
  if (at < 0) return { run: runIdOf(text) };
  const run = runIdOf(text.slice(0, at));
  const step = text.slice(at + 1);
  if (/^\d+$/.test(step) && Number.isSafeInteger(Number(step))) return { run, step: Number(step) };
  throw new UsageError(`Expected a step after "${run}@", such as ${run}@1200, found "${step}".`);
}

/**
 * A run that was typed, alone or with a place in it by any name: `RUN`, `RUN@1200` or `RUN@best`. Whether the
 * run has such a place is for those to say who read it, who know its checkpoints.
 */
export function runPlaceOf(text: string): { readonly run: RunId; readonly at?: string } {
  const at = text.indexOf("@");
  if (at < 0) return { run: runIdOf(text) };
  return { run: runIdOf(text.slice(0, at)), at: text.slice(at + 1) };
}
