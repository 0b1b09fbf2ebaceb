import { fileStore } from "../adapters/file_store.ts";
import { type BisectedRun, type BisectReport, bisectRuns } from "../app/compare/bisect_runs.ts";
import { readHead } from "../app/reading/read_run.ts";
import { recipes } from "../recipes/mod.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { backendChoice, orExit, printJson, recipeOf, runIdOf, runsDirectory } from "./context.ts";
import { openDeviceFor } from "./open_device.ts";
import { printEvent, printPremises, printState, type Titles } from "./print_difference.ts";
import { progressReporter } from "./progress_reporter.ts";
import { recipeSource } from "./recipe_source.ts";

/** Finds where two runs part; the exit status is the answer: 1 where they do. */
export async function run(args: ArgumentsOf<"bisect">): Promise<number> {
  const store = fileStore(runsDirectory(args.runs));
  const [a, b] = [runIdOf(args.a), runIdOf(args.b)];
  const [one, other] = [await orExit(readHead(store, a)), await orExit(readHead(store, b))];
  const task = recipeSource(recipeOf(recipes, a, one.state));
  const taskOfB = recipeSource(recipeOf(recipes, b, other.state));
  const device = await openDeviceFor(backendChoice(args.backend), one.state, console.error);
  const reporter = progressReporter({ say: console.error, json: args.json });
  const env = { store, device, reporter };
  const bisecting = orExit(bisectRuns(env, a, b, task, { taskOfB }));
  const found = await bisecting.finally(() => reporter.close());
  if (args.json) printJson(found);
  else print(found);
  return found.parts ? 1 : 0;
}

function print(found: BisectReport): void {
  const { parts, a, b, equal, different, event, state } = found;
  const titles: Titles = [a.run, b.run];
  console.log(
    `a: run "${a.run}", steps ${a.from} to ${a.to}\nb: run "${b.run}", steps ${b.from} to ${b.to}`,
  );
  const proven = equal === undefined
    ? "of no step do both logs tell that the states are equal"
    : `the states are proven equal up to step ${equal}`;
  if (!parts) {
    const to = Math.min(a.to, b.to);
    console.log(`\nThey do not part up to step ${to}, the last that both have; ${proven}.`);
    return;
  }
  console.log(`\nThey part at step ${different}; ${proven}.`);
  if (event !== undefined) printEvent(event, titles);
  printPremises(found, titles);
  if (state !== undefined) printState(state);
  for (const run of [a, b]) console.log(`\n${recomputedLine(run)}`);
  console.log(`\n${causeLine(found)}`);
}

function recomputedLine({ run, recomputation, stopped }: BisectedRun): string {
  if (stopped !== undefined) return `run "${run}" could not be recomputed:\n${stopped.message}`;
  const { steps = 0, snapshot = 0, compared = 0 } = recomputation ?? {};
  return `run "${run}": recomputed ${steps} steps from step ${snapshot}, compared ${compared} events: ` +
    "all equal, bit for bit";
}

function causeLine({ cause }: BisectReport): string {
  switch (cause?.type) {
    case "premises":
      return `Both runs are what their logs say. What explains it: ${cause.names.join(", ")}.`;
    case "log": {
      const runs = cause.runs.map((run) => `"${run}"`).join(" and ");
      return `What its settings and data lead to is not what the log of ${runs} says: either it was ` +
        "computed wrongly, or otherwise than it says, or the log was changed.";
    }
    default:
      return "What explains it cannot be told here.";
  }
}
