import { fileStore } from "../adapters/file_store.ts";
import { diffRuns, type RunDifference } from "../app/compare/diff_runs.ts";
import { readRun } from "../app/reading/read_run.ts";
import { recomputeState } from "../app/replay/recompute_state.ts";
import type { RunId } from "../core/run_id.ts";
import type { Snapshot } from "../core/snapshot.ts";
import type { Store } from "../ports/store.ts";
import { recipes } from "../recipes/mod.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { backendChoice, orExit, printJson, recipeOf, runsDirectory } from "./context.ts";
import { openDeviceFor } from "./open_device.ts";
import { printEvent, printPremises, printState, type Titles } from "./print_difference.ts";
import { recipeSource } from "./recipe_source.ts";
import { runAtOf } from "./run_at.ts";

/** Compares two runs; the exit status is the answer: 1 where something differs. */
export async function run(args: ArgumentsOf<"diff">): Promise<number> {
  const store = fileStore(runsDirectory(args.runs));
  const restore = (run: RunId, step: number) => recomputed(store, run, step, args);
  const found = await orExit(diffRuns(store, runAtOf(args.a), runAtOf(args.b), { restore }));
  if (args.json) printJson(found);
  else print(found);
  return found.same ? 0 : 1;
}

/** The state of a step that is not kept. */
async function recomputed(
  store: Store,
  run: RunId,
  step: number,
  { backend }: ArgumentsOf<"diff">,
): Promise<Snapshot> {
  const recorded = await orExit(readRun(store, run));
  const source = recipeSource(recipeOf(recipes, run, recorded.state));
  console.error(`run "${run}" keeps no state of step ${step} that can be read: recomputing it`);
  const device = await openDeviceFor(backendChoice(backend), recorded.state, console.error);
  const { snapshot, recomputation } = await orExit(
    recomputeState({ store, device }, recorded, source, step),
  );
  const { snapshot: from, steps, compared } = recomputation;
  console.error(
    `recomputed ${steps} steps from step ${from}, compared ${compared} events: all equal, bit for bit`,
  );
  return snapshot;
}

function print(found: RunDifference): void {
  const { a, b, event, state } = found;
  const titles: Titles = [titleOf(found, "a"), titleOf(found, "b")];
  console.log(
    `a: run "${a.run}", steps ${a.from} to ${a.to}\nb: run "${b.run}", steps ${b.from} to ${b.to}`,
  );
  if (event === undefined) {
    const [from, to] = [Math.max(a.from, b.from), Math.min(a.to, b.to)];
    if (from < to) console.log(`\nSteps ${from + 1} to ${to}, which both have, are equal.`);
  } else printEvent(event, titles);
  printPremises(found, titles);
  if (state === undefined) {
    console.log(
      "\nThe states are not compared: there is no step of which both runs keep a snapshot that can " +
        "be read.",
    );
  } else printState(state);
  if (found.same) console.log("\nNothing differs.");
}

/** How a column is headed: by the run, and where both are of one run, by its steps. */
function titleOf({ a, b }: RunDifference, which: "a" | "b"): string {
  const { run, to } = which === "a" ? a : b;
  return a.run === b.run ? `${run}@${to}` : run;
}
