import * as E from "fp-ts/Either.js";
import { fileStore } from "../adapters/file_store.ts";
import { readRun } from "../app/read_run.ts";
import { replayRun, type VerifyReport, verifyRun } from "../app/verify_run.ts";
import type { RunEnv } from "../ports/run_env.ts";
import { recipes } from "../recipes/mod.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { backendChoice, orExit, printJson, recipeOf, runIdOf, runsDirectory } from "./context.ts";
import { openDeviceFor } from "./open_device.ts";
import { progressReporter } from "./progress_reporter.ts";

/** Verifies a run; the exit status is the answer. */
export async function run(args: ArgumentsOf<"verify">): Promise<number> {
  const id = runIdOf(args.run);
  const store = fileStore(runsDirectory(args.runs));
  const report = args.replay ? await replay(args) : await orExit(verifyRun(store, id));
  if (args.json) printJson(report);
  else print(report);
  return report.ok ? 0 : 1;
}

async function replay(args: ArgumentsOf<"verify">): Promise<VerifyReport> {
  const id = runIdOf(args.run);
  const store = fileStore(runsDirectory(args.runs));
  const read = await readRun(store, id)();
  if (E.isLeft(read)) return await orExit(verifyRun(store, id)); // reports what it can of the damage
  const { state } = read.right;
  const recipe = recipeOf(recipes, id, state);
  const device = await openDeviceFor(backendChoice(args.backend), state, console.error);
  const reporter = progressReporter({ say: console.error, json: args.json });
  const env: RunEnv = { store, device, reporter };
  try {
    return await orExit(replayRun(env, id, await recipe.task(state.config!)));
  } finally {
    reporter.close();
  }
}

function print(report: VerifyReport): void {
  const { run, events, steps, snapshots, replay, torn, problems } = report;
  for (const { message } of problems) console.log(message);
  if (torn !== undefined) {
    console.log(`A torn last line (${torn.bytes} bytes at ${torn.place}) was never acknowledged.`);
  }
  console.log(
    `${run}: ${events} events, ${steps} steps and ${snapshots} snapshots checked` +
      (replay ? `; ${replay.steps} steps recomputed, ${replay.compared} events compared` : "") +
      (problems.length === 0 ? "; all as recorded" : `; problems: ${problems.length}`),
  );
}
