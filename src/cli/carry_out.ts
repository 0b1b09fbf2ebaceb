import { systemStopwatch } from "../adapters/system/system_stopwatch.ts";
import type { RunError } from "../app/errors/errors.ts";
import { taskOf } from "../app/training/plan.ts";
import { beginRun } from "../app/fork/begin_run.ts";
import { readHead } from "../app/reading/read_run.ts";
import type { RunOutcome } from "../app/training/run_outcome.ts";
import { type ResumeOptions, type ResumeOutcome, resumeRun } from "../app/training/resume_run.ts";
import { trainRun } from "../app/training/train_run.ts";
import { mergeConfig, type PartialConfig, type RunConfig } from "../core/config.ts";
import { settings } from "../core/config_path.ts";
import type { RunId } from "../core/run_id.ts";
import { originName } from "../core/run_origin.ts";
import type { RunState } from "../core/run_state.ts";
import { runSummary } from "../core/run_summary.ts";
import { attempt } from "../ports/attempt.ts";
import type { Store } from "../ports/store.ts";
import type { Task } from "../ports/task.ts";
import type { Recipe } from "../recipes/recipe.ts";
import type { Base } from "./base_weights.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { chartOfRun } from "./chart_of_run.ts";
import { backendChoice, orExit, printJson } from "./context.ts";
import { openDeviceFor } from "./open_device.ts";
import { progressReporter } from "./progress_reporter.ts";
import { freeName } from "./free_name.ts";
import { codeOfRecipe } from "./recipe_code.ts";
import { recipeSource } from "./recipe_source.ts";
import { retentionOf } from "./retention_arguments.ts";
import { INTERRUPTED, stopSignals } from "./stop_signals.ts";
import { measuresText } from "./measures_text.ts";
import { loss } from "./table.ts";

/** A training that the command line asked for. */
export interface Assignment {
  readonly args: ArgumentsOf<"train"> | ArgumentsOf<"resume">;
  readonly store: Store;
  readonly id: RunId;
  readonly recipe: Recipe;
  /** The state of the run to be continued; undefined for a new one. */
  readonly state: RunState | undefined;
  readonly asked: PartialConfig;
  /** What a new run begins with in place of drawn weights. */
  readonly base?: Pick<Base, "weights" | "into">;
  /** Trained for the sake of another run, whose data is printed and not this one's. */
  readonly onTheWay?: boolean;
}

/** Trains, shows it, and gives the exit status: 0 done or paused, 130 stopped by a signal. */
export async function carryOut(assignment: Assignment): Promise<number> {
  const { args, store, id, recipe, state, asked, base, onTheWay = false } = assignment;
  const say = args.json ? console.error : console.log;
  const source = recipeSource(recipe);
  if (state === undefined) { // a model that cannot be is refused before anything is made
    const config = mergeConfig(recipe.config, asked);
    await orExit(attempt<RunError, Task>(() => taskOf(source, config)));
  }
  const device = await openDeviceFor(backendChoice(args.backend), state, say);
  const code = await codeOfRecipe(recipe);
  const reporter = progressReporter({ say, json: args.json });
  const stop = stopSignals(say);
  const retention = retentionOf(args);
  try {
    const env = { store, device, reporter, code, stopwatch: systemStopwatch };
    const options = {
      config: asked,
      stop: stop.signal,
      acceptEnvironment: args.acceptEnvironment,
      acceptCodeChange: args.acceptCodeChange,
      ...(args.schedule && { schedule: args.schedule }),
      ...(retention !== undefined && { retention }),
      ...(args.until !== undefined && { until: args.until }),
    };
    if (base !== undefined) {
      const { weights, ...options } = { ...base, config: asked };
      const origin = await orExit(beginRun(env, id, source, weights, options));
      say(`run "${id}" begins with the weights of ${originName(origin)}`);
    }
    const outcome: ResumeOutcome = await orExit(
      args.verb === "train"
        ? trainRun(env, id, source, options)
        : resumeRun(env, id, source, { ...options, ...await placeOf(args, store, id) }),
    );
    reporter.close();
    const task = await source(outcome.state.config!);
    sayOutcome(outcome, { args, asked, state }, task, say);
    const goneOn = outcome.status === "completed" && outcome.state.version !== state?.version;
    if (goneOn && Deno.stdout.isTerminal() && !args.json && !onTheWay) {
      say(`\n${await chartOfRun(store, outcome.run)}`);
    }
    if (args.json && !onTheWay) {
      const { run } = outcome;
      printJson({ runId: run, ...runSummary((await orExit(readHead(store, run))).state) });
    }
    return stop.signal.aborted && outcome.status !== "completed" ? INTERRUPTED : 0;
  } finally {
    reporter.close();
    stop.dispose();
  }
}

/** Where `resume` goes on, and as what where it cannot. */
async function placeOf(
  { at, onDivergence }: ArgumentsOf<"resume">,
  store: Store,
  id: RunId,
): Promise<Pick<ResumeOptions, "at" | "onDivergence">> {
  return {
    ...(at !== undefined && { at }),
    ...(onDivergence === "fork" && { onDivergence: { fork: await freeName(store, `${id}-fork`) } }),
  };
}

function sayOutcome(
  { run, status, state, sample }: RunOutcome,
  { args, asked, state: before }: Pick<Assignment, "args" | "asked" | "state">,
  task: Task,
  say: (line: string) => void,
): void {
  const again = `Run the same command again to continue.`;
  if (status === "stopped") {
    return say(`run "${run}" stopped while comparing with its log, which is as it was. ${again}`);
  }
  if (status === "paused") {
    const on = args.verb === "resume"
      ? `\`foldlog resume ${run}\` continues it.` // the same command may go back once more
      : state.step === args.until
      ? "Run the same command without --until, or with a later step, to continue."
      : again;
    return say(`run "${run}" paused at step ${state.step}. ${on}`);
  }
  const { lastLoss, bestLoss, bestStep, measures } = runSummary(state);
  const already = before?.status === "completed" && before.version === state.version;
  say(
    `run "${run}" ${already ? "is complete already" : "completed"} at step ${state.step}: ` +
      `last loss ${loss(lastLoss)}, best ${loss(bestLoss)} at step ${bestStep ?? "-"}${
        measuresText(measures)
      }` +
      (task.reference ? `; ${task.reference.name}: ${task.reference.loss.toFixed(4)}` : ""),
  );
  if (already && args.verb === "train") {
    say("Start another with --run NAME, or with --resume never.");
  } else if (already) {
    const now = settings(state.config!);
    const kept = [...settings(asked as RunConfig)].filter(([path, value]) =>
      now.get(path) !== value
    );
    for (const [path] of kept) {
      say(`No step is left for which ${path} could change: it stays ${now.get(path)}.`);
    }
    say("--max-steps N trains it further; --at STEP goes back, and on from there.");
  }
  if (sample !== undefined) say(`\nsample:\n${sample}\n`);
}
