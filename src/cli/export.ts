import { checkpointPlace } from "../adapters/file_objects/checkpoint_view.ts";
import { fileStore } from "../adapters/file_store.ts";
import { writeFiles } from "../adapters/files/write_files.ts";
import { writeNewFile } from "../adapters/files/write_new_file.ts";
import { exportDirectory, exportHistory, exportWeights } from "../app/reading/export_run.ts";
import { readHead } from "../app/reading/read_run.ts";
import { historyCsv, historyJsonl } from "../codec/history_codec.ts";
import type { ModelFiles } from "../core/model_files.ts";
import type { RunId } from "../core/run_id.ts";
import type { RunState } from "../core/run_state.ts";
import type { TensorGroup } from "../core/snapshot.ts";
import type { Store } from "../ports/store.ts";
import type { Recipe } from "../recipes/recipe.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, printJson, recipeOf, runsDirectory } from "./context.ts";
import { counted } from "./counted.ts";
import { runPlaceOf } from "./run_at.ts";
import { UsageError } from "./usage_error.ts";

/** Writes a run's weights, or its history, for other tools. */
export async function run(args: ArgumentsOf<"export">): Promise<number> {
  const { run, at } = runPlaceOf(args.run);
  const root = runsDirectory(args.runs);
  const store = fileStore(root);
  switch (args.format) {
    case "jsonl":
    case "csv":
      return await writeHistory(store, run, at, args);
    case "safetensors": {
      const out = outOf(args);
      const { step, bytes } = await orExit(exportWeights(store, run, at));
      await orExit(writeNewFile(out, bytes));
      return say(args, { run, step, out, files: [out] }, `${bytes.length} bytes`);
    }
    case "hf":
    case "peft": {
      const out = outOf(args);
      const { state } = await orExit(readHead(store, run));
      const { recipes } = await import("../recipes/mod.ts");
      const { step, files } = await orExit(exportDirectory(store, run, at, {
        files: filesBy(recipeOf(recipes, run, state), args.format),
        place: (step) => `${root}/${checkpointPlace(run, step)}`,
        checkpoints: args.checkpoints,
      }));
      await orExit(writeFiles(out, files));
      const names = [...files.keys()];
      return say(args, { run, step, out, files: names }, counted(names.length, "file"));
    }
  }
}

async function writeHistory(
  store: Store,
  run: RunId,
  at: string | undefined,
  args: ArgumentsOf<"export">,
): Promise<number> {
  const { format, json } = args;
  const out = args.out === undefined ? undefined : outOf(args);
  if (json && out === undefined) {
    throw new UsageError("Expected --out with --json: without it the history itself is printed.");
  }
  const rows = await orExit(exportHistory(store, run, at));
  const text = format === "csv" ? historyCsv(rows) : historyJsonl(rows);
  if (out === undefined) {
    if (text !== "") console.log(text.slice(0, -1)); // which ends the last line itself
    return 0;
  }
  await orExit(writeNewFile(out, new TextEncoder().encode(text)));
  const step = rows.at(-1)?.step ?? 0;
  return say(args, { run, step, out, files: [out] }, counted(rows.length, "step"));
}

/** How a recipe writes the files of a model in a format. */
function filesBy(
  recipe: Recipe,
  format: "hf" | "peft",
): (weights: TensorGroup, state: RunState) => ModelFiles {
  const { hf, peft, merged = (weights: TensorGroup) => weights } = recipe.exports ?? {};
  if (format === "hf" && hf !== undefined) {
    return (weights, { config }) => hf(merged(weights, config!), config!);
  }
  if (format === "peft" && peft !== undefined) {
    return (weights, { config, origin }) => peft(weights, config!, baseOf(recipe, origin));
  }
  const has = ["safetensors", ...hf ? ["hf"] : [], ...peft ? ["peft"] : [], "jsonl", "csv"];
  throw new UsageError(
    `Recipe "${recipe.name}" has no export --format ${format}; it has ${has.join(", ")}.`,
  );
}

/** The model that adapters are of. */
function baseOf(recipe: Recipe, origin: RunState["origin"]): string {
  return origin?.parent?.run ?? origin?.file?.name ?? recipe.base?.trained?.run ?? recipe.name;
}

function outOf({ out, format }: ArgumentsOf<"export">): string {
  if (out !== undefined && out !== "") return out;
  const what = format === "hf" || format === "peft" ? "the directory" : "the file";
  throw new UsageError(`Expected --out PATH, ${what} to write, with --format ${format}.`);
}

interface Written {
  readonly run: RunId;
  readonly step: number;
  readonly out: string;
  readonly files: readonly string[];
}

function say(args: ArgumentsOf<"export">, { run, step, out, files }: Written, size: string): 0 {
  if (args.json) printJson({ runId: run, step, format: args.format, out, files });
  else console.log(`${out}: ${args.format} of run "${run}" at step ${step}, ${size}`);
  return 0;
}
