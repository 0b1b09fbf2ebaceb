import { checkpointPlace } from "../adapters/file_objects/checkpoint_view.ts";
import { fileStore } from "../adapters/file_store.ts";
import { materialize } from "../app/replay/materialize.ts";
import { readHead } from "../app/reading/read_run.ts";
import { recipes } from "../recipes/mod.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { backendChoice, orExit, printJson, recipeOf, runsDirectory } from "./context.ts";
import { counted } from "./counted.ts";
import { openDeviceFor } from "./open_device.ts";
import { progressReporter } from "./progress_reporter.ts";
import { recipeSource } from "./recipe_source.ts";
import { runPlaceOf } from "./run_at.ts";

/** Has the snapshot of any step of a run, by recomputation where it is not kept. */
export async function run(args: ArgumentsOf<"materialize">): Promise<number> {
  const { run, at = "latest" } = runPlaceOf(args.run);
  const root = runsDirectory(args.runs);
  const store = fileStore(root);
  const { state } = await orExit(readHead(store, run));
  const source = recipeSource(recipeOf(recipes, run, state));
  const device = await openDeviceFor(backendChoice(args.backend), state, console.error);
  const reporter = progressReporter({ say: console.error, json: args.json });
  try {
    const report = await orExit(materialize({ store, device, reporter }, run, source, at));
    reporter.close();
    const { step, id, bytes, recomputation } = report;
    const path = `${root}/${checkpointPlace(run, step)}`;
    if (args.json) {
      printJson({ ...report, path });
      return 0;
    }
    console.log(
      recomputation === undefined
        ? `step ${step} is kept already: snapshot ${id.slice(0, 12)}, ${bytes} bytes`
        : `step ${step}: snapshot ${id.slice(0, 12)}, ${bytes} bytes, from that of step ` +
          `${recomputation.snapshot}: recomputed ${
            counted(recomputation.steps, "step")
          }, compared ` +
          `${counted(recomputation.compared, "event")}: all equal, bit for bit`,
    );
    console.log(path);
    return 0;
  } finally {
    reporter.close();
  }
}
