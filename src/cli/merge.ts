import { fileStore } from "../adapters/file_store.ts";
import { writeNewFile } from "../adapters/files/write_new_file.ts";
import { exportWeights } from "../app/reading/export_run.ts";
import { readHead } from "../app/reading/read_run.ts";
import { recipes } from "../recipes/mod.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, printJson, recipeOf, runsDirectory } from "./context.ts";
import { runPlaceOf } from "./run_at.ts";
import { UsageError } from "./usage_error.ts";

/** Writes the base of a run and its adapters as one model. */
export async function run({ run: name, out, runs, json }: ArgumentsOf<"merge">): Promise<number> {
  const { run, at } = runPlaceOf(name);
  if (out === "") throw new UsageError("Expected --out to name a file, found an empty text.");
  const store = fileStore(runsDirectory(runs));
  const { state } = await orExit(readHead(store, run));
  const recipe = recipeOf(recipes, run, state);
  const merged = recipe.exports?.merged;
  if (merged === undefined) {
    const others = recipes.filter(({ exports }) => exports?.merged).map(({ name }) => name);
    throw new UsageError(
      `Recipe "${recipe.name}" trains no adapters that could be merged; those that do: ${
        others.join(", ")
      }. ` +
        `\`foldlog export ${run} --format safetensors\` writes its weights.`,
    );
  }
  const made = exportWeights(store, run, at, (weights) => merged(weights, state.config!));
  const { step, bytes } = await orExit(made);
  await orExit(writeNewFile(out, bytes));
  if (json) printJson({ runId: run, step, out });
  else console.log(`${out}: one model of run "${run}" at step ${step}, ${bytes.length} bytes`);
  return 0;
}
