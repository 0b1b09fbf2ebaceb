import { systemStopwatch } from "../adapters/system_stopwatch.ts";
import { readHead } from "../app/read_run.ts";
import type { RunOutcome } from "../app/run_outcome.ts";
import { trainRun } from "../app/train_run.ts";
import type { PartialConfig, RunConfig } from "../core/config.ts";
import type { RunId } from "../core/run_id.ts";
import type { RunState } from "../core/run_state.ts";
import { runSummary } from "../core/run_summary.ts";
import type { Store } from "../ports/store.ts";
import type { Task } from "../ports/task.ts";
import type { Recipe } from "../recipes/recipe.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { backendChoice, orExit, printJson } from "./context.ts";
import { openDeviceFor } from "./open_device.ts";
import { progressReporter } from "./progress_reporter.ts";
import { codeOfRecipe } from "./recipe_code.ts";
import { retentionOf } from "./retention_arguments.ts";
import { INTERRUPTED, stopSignals } from "./stop_signals.ts";
import { loss } from "./table.ts";
import { UsageError } from "./usage_error.ts";

/** A training that the command line asked for. */
export interface Assignment {
  readonly args: ArgumentsOf<"train"> | ArgumentsOf<"resume">;
  readonly store: Store;
  readonly id: RunId;
  readonly recipe: Recipe;
  /** The state of the run to be continued; undefined for a new one. */
  readonly state: RunState | undefined;
  readonly config: RunConfig;
  readonly asked: PartialConfig;
}

/** Trains, shows it, and gives the exit status: 0 done or paused, 130 stopped by a signal. */
export async function carryOut(assignment: Assignment): Promise<number> {
  const { args, store, id, recipe, state, config, asked } = assignment;
  const say = args.json ? console.error : console.log;
  const task = await taskOf(recipe, config);
  const device = await openDeviceFor(backendChoice(args.backend), state, say);
  const code = await codeOfRecipe(recipe);
  const reporter = progressReporter({ say, json: args.json });
  const stop = stopSignals(say);
  const retention = retentionOf(args);
  try {
    const env = { store, device, reporter, code, stopwatch: systemStopwatch };
    const outcome = await orExit(trainRun(env, id, task, {
      config: asked,
      stop: stop.signal,
      acceptEnvironment: args.acceptEnvironment,
      acceptCodeChange: args.acceptCodeChange,
      ...(retention !== undefined && { retention }),
      ...(args.until !== undefined && { until: args.until }),
    }));
    reporter.close();
    sayOutcome(outcome, state, task, args.until, say);
    if (args.json) {
      printJson({ runId: id, ...runSummary((await orExit(readHead(store, id))).state) });
    }
    return stop.signal.aborted && outcome.status !== "completed" ? INTERRUPTED : 0;
  } finally {
    reporter.close();
    stop.dispose();
  }
}

/** A recipe refuses settings that make no model with a RangeError. */
async function taskOf(recipe: Recipe, config: RunConfig): Promise<Task> {
  try {
    return await recipe.task(config);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`${error.message}.`);
    throw error;
  }
}

function sayOutcome(
  { run, status, state, sample }: RunOutcome,
  before: RunState | undefined,
  task: Task,
  until: number | undefined,
  say: (line: string) => void,
): void {
  const again = `Run the same command again to continue.`;
  if (status === "stopped") {
    return say(`run "${run}" stopped while comparing with its log, which is as it was. ${again}`);
  }
  if (status === "paused") {
    const on = state.step === until
      ? "Run the same command without --until, or with a later step, to continue."
      : again;
    return say(`run "${run}" paused at step ${state.step}. ${on}`);
  }
  const { lastLoss, bestLoss, bestStep } = runSummary(state);
  const already = before?.status === "completed";
  say(
    `run "${run}" ${already ? "is complete already" : "completed"} at step ${state.step}: ` +
      `last loss ${loss(lastLoss)}, best ${loss(bestLoss)} at step ${bestStep ?? "-"}` +
      (task.reference ? `; ${task.reference.name}: ${task.reference.loss.toFixed(4)}` : ""),
  );
  if (already) say("Start another with --run NAME, or with --resume never.");
  if (sample !== undefined) say(`\nsample:\n${sample}\n`);
}
