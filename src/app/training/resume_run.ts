import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import type { RunId } from "../../core/run_id.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { TaskSource } from "../../ports/task.ts";
import type { HostBatch } from "../../train/loss.ts";
import type { Tree } from "../../train/tree.ts";
import type { RunError } from "../errors/errors.ts";
import { type ForkReport, forkRun } from "../fork/fork_run.ts";
import { requireNoRun } from "./require_no_run.ts";
import type { RunOutcome } from "./run_outcome.ts";
import type { TrainOptions } from "./train_options.ts";
import { trainRun } from "./train_run.ts";

/** How a run is continued. */
export interface ResumeOptions extends Omit<TrainOptions, "resume" | "recordChanges"> {
  /**
   * What to do where what is recomputed is not what the log says, or cannot be compared here: stop, or go
   * on as a fork of this name, which begins where the two were known to be equal. "stop" unless given.
   */
  readonly onDivergence?: "stop" | { readonly fork: RunId };
}

/** Where a continued run came to. */
export interface ResumeOutcome extends RunOutcome {
  /** The fork that was made, where the run could not be continued exactly. */
  readonly fork?: ForkReport;
}

/**
 * Continues a run from the end of its log, or from any step of it (`at`), with the settings that it has or
 * with others from there on (`config`), which are recorded.
 *
 * The state is that of the nearest snapshot; what lies between is recomputed and compared with the log, bit
 * for bit, before anything is added. The first difference fails with Diverged, which names the step, the
 * tensors where they are known, and how the environment differs.
 */
export function resumeRun<P extends Tree, B extends HostBatch>(
  env: RunEnv,
  run: RunId,
  task: TaskSource<P, B>,
  { onDivergence = "stop", ...options }: ResumeOptions = {},
): TaskEither<RunError, ResumeOutcome> {
  return attempt<RunError, ResumeOutcome>(async (get) => {
    if (onDivergence !== "stop") await requireNoRun(env.store, onDivergence.fork, get);
    const wish: TrainOptions = { ...options, resume: "must", recordChanges: true };
    const result = await trainRun(env, run, task, wish)();
    if (E.isRight(result)) return result.right;
    const ended = exactUntil(result.left);
    if (onDivergence === "stop" || ended === undefined) return fail(result.left);
    const { at: _, config, schedule, ...rest } = options;
    const fork = await get(forkRun(env, run, onDivergence.fork, task, {
      at: ended.step,
      divergence: ended.divergence,
      ...(config && { config }),
      ...(schedule && { schedule }),
    }));
    env.reporter?.report({ type: "Forked", run: fork.run, ...ended });
    return { ...await get(trainRun(env, fork.run, task, { ...rest, resume: "must" })), fork };
  });
}

/** Up to which step what a run recorded is known to be exact, and the first that is not. */
function exactUntil(
  error: RunError,
): { readonly step: number; readonly divergence: number } | undefined {
  switch (error.type) {
    case "Diverged":
      return error.from === undefined ? undefined : { step: error.from, divergence: error.step };
    case "ComputedElsewhere":
      return { step: error.from - 1, divergence: error.from };
    default:
      return undefined;
  }
}
