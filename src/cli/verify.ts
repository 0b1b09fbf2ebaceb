import * as E from "fp-ts/Either.js";
import { fileStore } from "../adapters/file_store.ts";
import { codeChangeInWords } from "../app/describe_code_error.ts";
import { readRun } from "../app/read_run.ts";
import { type RepairMeans, type RepairReport, repairRun } from "../app/repair_run.ts";
import { replayRun } from "../app/replay_run.ts";
import { type VerifyReport, verifyRun } from "../app/verify_run.ts";
import type { RunId } from "../core/run_id.ts";
import type { RunState } from "../core/run_state.ts";
import type { Store } from "../ports/store.ts";
import { recipes } from "../recipes/mod.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { backendChoice, orExit, printJson, recipeOf, runIdOf, runsDirectory } from "./context.ts";
import { openDeviceFor } from "./open_device.ts";
import { progressReporter } from "./progress_reporter.ts";
import { codeOfRecipe } from "./recipe_code.ts";
import { UsageError } from "./usage_error.ts";

/** Verifies a run; the exit status is the answer. */
export async function run(args: ArgumentsOf<"verify">): Promise<number> {
  const id = runIdOf(args.run);
  if (args.replay && args.repair) {
    throw new UsageError("Expected --replay or --repair, found both: repair first, then replay.");
  }
  const store = fileStore(runsDirectory(args.runs));
  const report: VerifyReport & Partial<RepairReport> = args.repair
    ? await repair(store, id, args)
    : args.replay
    ? await replay(store, id, args)
    : await orExit(verifyRun(store, id));
  if (args.json) printJson(report);
  else print(report);
  return report.ok ? 0 : 1;
}

async function replay(
  store: Store,
  id: RunId,
  args: ArgumentsOf<"verify">,
): Promise<VerifyReport> {
  const read = await readRun(store, id)();
  if (E.isLeft(read)) return await orExit(verifyRun(store, id)); // reports what it can of the damage
  const { task, ...means } = await meansOf(id, read.right.state, args);
  try {
    return await orExit(replayRun({ store, ...means }, id, task));
  } finally {
    means.reporter.close();
  }
}

/** Opens a device only where something has to be recomputed. */
async function repair(
  store: Store,
  id: RunId,
  args: ArgumentsOf<"verify">,
): Promise<RepairReport> {
  let close = () => {};
  const means = async () => {
    const { state } = await orExit(readRun(store, id));
    const opened = await meansOf(id, state, args);
    close = opened.reporter.close;
    return opened;
  };
  try {
    return await orExit(repairRun(store, id, means));
  } finally {
    close();
  }
}

async function meansOf(id: RunId, state: RunState, args: ArgumentsOf<"verify">) {
  const recipe = recipeOf(recipes, id, state);
  const device = await openDeviceFor(backendChoice(args.backend), state, console.error);
  const reporter = progressReporter({ say: console.error, json: args.json });
  const code = await codeOfRecipe(recipe);
  return { device, reporter, code, task: await recipe.task(state.config!) } satisfies RepairMeans;
}

function print(report: VerifyReport & Partial<RepairReport>): void {
  const { run, events, steps, snapshots, replay, repaired, otherCode, torn, problems } = report;
  for (const line of repaired?.derived ?? []) console.log(line);
  for (const { step, id } of repaired?.snapshots ?? []) {
    console.log(`Made the snapshot of step ${step} anew: ${id.slice(0, 12)}, as recorded.`);
  }
  for (const { message } of problems) console.log(message);
  if (repaired === undefined && problems.some(({ type }) => type === "SnapshotUnreadable")) {
    console.log(`\`foldlog verify ${run} --repair\` makes lost snapshots anew.`);
  }
  if (otherCode !== undefined) {
    console.log(
      `Steps were recomputed by other code than the run's: ${codeChangeInWords(otherCode)}`,
    );
  }
  if (torn !== undefined) {
    console.log(`A torn last line (${torn.bytes} bytes at ${torn.place}) was never acknowledged.`);
  }
  console.log(
    `${run}: ${events} events, ${steps} steps and ${snapshots} snapshots checked` +
      (replay ? `; ${replay.steps} steps recomputed, ${replay.compared} events compared` : "") +
      (problems.length === 0 ? "; all as recorded" : `; problems: ${problems.length}`),
  );
}
