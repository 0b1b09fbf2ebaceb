import { resolve } from "node:path";
import { fileStore } from "../adapters/file_store.ts";
import { lineFile } from "../adapters/files/line_file.ts";
import { probeRun } from "../app/replay/probe_run.ts";
import { stepAt } from "../app/replay/place_in_run.ts";
import { readRun, type RecordedRun } from "../app/reading/read_run.ts";
import { attempt } from "../ports/attempt.ts";
import type { RunError } from "../app/errors/errors.ts";
import { recipes } from "../recipes/mod.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { backendChoice, orExit, printJson, recipeOf, runIdOf, runsDirectory } from "./context.ts";
import { loadProbe } from "./load_probe.ts";
import { openDeviceFor } from "./open_device.ts";
import { progressReporter } from "./progress_reporter.ts";
import { recipeSource } from "./recipe_source.ts";
import { UsageError } from "./usage_error.ts";

/** Asks a question of past steps and writes what it finds to a file. */
export async function run(args: ArgumentsOf<"probe">): Promise<number> {
  const id = runIdOf(args.run);
  const { probe, ...about } = await loadProbe(args.with, args.export);
  const root = runsDirectory(args.runs);
  const store = fileStore(root);
  const recorded = await orExit(readRun(store, id));
  const { state } = recorded;
  const [from, to] = await stepsOf(recorded, args);
  const source = recipeSource(recipeOf(recipes, id, state));
  const device = await openDeviceFor(backendChoice(args.backend), state, console.error);
  const reporter = progressReporter({ say: console.error, json: args.json });
  const own = `${id}/probes/${about.name}-${from}-${to}.jsonl`;
  const file = await orExit(
    args.out === undefined ? lineFile(own, root) : lineFile(resolve(args.out)),
  );
  try {
    const write = (line: string) => orExit(file.write(line));
    const report = await orExit(
      probeRun({ store, device, reporter }, id, source, { from, to, probe, write, about }),
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

/** The steps that were typed, which name the file too. */
async function stepsOf(
  recorded: RecordedRun,
  { from, to }: ArgumentsOf<"probe">,
): Promise<readonly [number, number]> {
  const places = attempt<RunError, readonly [number, number]>(() =>
    Promise.resolve([stepAt(recorded, from), stepAt(recorded, to)])
  );
  const [first, last] = await orExit(places);
  if (first <= last) return [first, last];
  throw new UsageError(`Expected --from to be at most --to, found ${first} and ${last}.`);
}
