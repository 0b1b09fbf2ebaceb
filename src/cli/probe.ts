import { resolve } from "node:path";
import { fileStore } from "../adapters/file_store.ts";
import { lineFile } from "../adapters/line_file.ts";
import { probeRun } from "../app/probe_run.ts";
import { readHead } from "../app/read_run.ts";
import { recipes } from "../recipes/mod.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { backendChoice, orExit, printJson, recipeOf, runIdOf, runsDirectory } from "./context.ts";
import { loadProbe } from "./load_probe.ts";
import { openDeviceFor } from "./open_device.ts";
import { progressReporter } from "./progress_reporter.ts";

/** Asks a question of past steps and writes what it finds to a file. */
export async function run(args: ArgumentsOf<"probe">): Promise<number> {
  const id = runIdOf(args.run);
  const { probe, ...about } = await loadProbe(args.with, args.export);
  const root = runsDirectory(args.runs);
  const store = fileStore(root);
  const { state } = await orExit(readHead(store, id));
  const recipe = recipeOf(recipes, id, state);
  const device = await openDeviceFor(backendChoice(args.backend), state, console.error);
  const reporter = progressReporter({ say: console.error, json: args.json });
  const [from, to] = [args.from, args.to];
  const own = `${id}/probes/${about.name}-${from}-${to}.jsonl`;
  const file = await orExit(
    args.out === undefined ? lineFile(own, root) : lineFile(resolve(args.out)),
  );
  try {
    const write = (line: string) => orExit(file.write(line));
    const report = await orExit(
      probeRun({ store, device, reporter }, id, recipe.task, { from, to, probe, write, about }),
    );
    await orExit(file.publish());
    reporter.close();
    const out = args.out ?? `${root}/${own}`;
    if (args.json) printJson({ ...report, out });
    else {
      const { snapshot, steps, compared, fingerprints, state: proven } = report;
      console.log(
        `${out}: ${about.name} of steps ${report.from} to ${report.to} of run "${id}"\n` +
          `recomputed ${steps} steps from step ${snapshot}, compared ${compared} events and ` +
          `${fingerprints} fingerprints: all equal, bit for bit; the state itself up to step ${proven}`,
      );
    }
    return 0;
  } finally {
    reporter.close();
    await file.discard();
  }
}
