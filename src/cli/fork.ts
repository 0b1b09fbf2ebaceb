import { fileStore } from "../adapters/file_store.ts";
import { type ForkReport, forkRun } from "../app/fork/fork_run.ts";
import { readHead } from "../app/reading/read_run.ts";
import { recipes } from "../recipes/mod.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { backendChoice, orExit, printJson, recipeOf, runIdOf, runsDirectory } from "./context.ts";
import { counted } from "./counted.ts";
import { freeName } from "./free_name.ts";
import { leftOutText } from "./left_out_text.ts";
import { numberList } from "./number_list.ts";
import { openDeviceFor } from "./open_device.ts";
import { progressReporter } from "./progress_reporter.ts";
import { codeOfRecipe } from "./recipe_code.ts";
import { recipeSource } from "./recipe_source.ts";
import { settingsOfArguments } from "./settings_of_arguments.ts";

/** Makes a run that begins with a state of another. */
export async function run(args: ArgumentsOf<"fork">): Promise<number> {
  const parent = runIdOf(args.parent);
  const store = fileStore(runsDirectory(args.runs));
  const { state } = await orExit(readHead(store, parent));
  const recipe = recipeOf(recipes, parent, state);
  const { asked } = await settingsOfArguments(state.config!, args, recipe);
  const options = {
    config: asked,
    weightsOnly: args.weightsOnly,
    ...(args.at !== undefined && { at: args.at }),
    ...(args.branch !== undefined && { branch: args.branch }),
    ...(args.schedule && { schedule: args.schedule }),
    ...(args.withoutSamples !== undefined && {
      withoutSamples: await numberList("--without-samples", args.withoutSamples),
    }),
    ...(args.skipBatch !== undefined && {
      skipBatches: await numberList("--skip-batch", args.skipBatch),
    }),
  };
  const run = args.run === undefined ? await freeName(store, `${parent}-fork`) : runIdOf(args.run);
  const say = args.json ? console.error : console.log;
  const device = await openDeviceFor(backendChoice(args.backend), state, say);
  const code = await codeOfRecipe(recipe);
  const reporter = progressReporter({ say, json: args.json });
  const env = { store, device, reporter, code };
  try {
    const report = await orExit(forkRun(env, parent, run, recipeSource(recipe), options));
    reporter.close();
    if (args.json) printJson(report);
    else print(report);
    return 0;
  } finally {
    reporter.close();
  }
}

function print({ run, origin, change, otherData, recomputation }: ForkReport): void {
  const { parent, takes, step, leftOut } = origin;
  const what = takes === "weights" ? "the weights" : "the state";
  console.log(
    `run "${run}" begins at step ${step} with ${what} of "${parent.run}" at step ${parent.step} ` +
      `(${parent.state.slice(0, 12)})`,
  );
  const { steps, compared } = recomputation;
  if (steps > 0) {
    console.log(
      `recomputed ${counted(steps, "step")}, compared ${counted(compared, "event")}: ` +
        "all equal, bit for bit",
    );
  }
  for (const { path, recorded, asked } of change?.changes ?? []) {
    console.log(`${path}: ${recorded} -> ${asked}`);
  }
  if (otherData) console.log("its data is another, and begins anew");
  if (leftOut !== undefined) console.log(`left out: ${leftOutText(leftOut)}`);
  console.log(`\`foldlog resume ${run}\` trains it.`);
}
