import * as E from "fp-ts/Either.js";
import { fileStore } from "../adapters/file_store.ts";
import type { Backend } from "../adapters/device/backend_choice.ts";
import { systemDraw } from "../adapters/system/system_draw.ts";
import { codeChangeInWords } from "../app/errors/describe_code_error.ts";
import { readRun } from "../app/reading/read_run.ts";
import { type RepairMeans, type RepairReport, repairRun } from "../app/upkeep/repair_run.ts";
import { type ReplayOptions, replayRun } from "../app/replay/replay_run.ts";
import type { SegmentWorkers } from "../app/replay/segment_workers.ts";
import { type ReplayReport, type VerifyReport, verifyRun } from "../app/upkeep/verify_run.ts";
import type { RunId } from "../core/run_id.ts";
import type { RunState } from "../core/run_state.ts";
import type { Store } from "../ports/store.ts";
import type { Device } from "../ports/device.ts";
import { recipes } from "../recipes/mod.ts";
import { segmentWorkers } from "../workers/segment_workers.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { backendChoice, orExit, printJson, recipeOf, runIdOf, runsDirectory } from "./context.ts";
import { counted } from "./counted.ts";
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
  refuseWithoutReplay(args);
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

/** Options that say what is replayed mean nothing where nothing is. */
function refuseWithoutReplay(args: ArgumentsOf<"verify">): void {
  if (args.replay) {
    const { from = 0, to = Infinity } = args;
    if (from <= to) return;
    throw new UsageError(`Expected --from to be at most --to, found ${from} and ${to}.`);
  }
  const given = (["from", "to", "sample", "workers", "branch"] as const)
    .filter((name) => args[name] !== undefined);
  if (given.length === 0) return;
  const found = given.map((name) => `--${name}`).join(", ");
  throw new UsageError(`Expected --replay together with ${found}: only a replay can be limited.`);
}

async function replay(
  store: Store,
  id: RunId,
  args: ArgumentsOf<"verify">,
): Promise<VerifyReport> {
  const read = await readRun(store, id)();
  if (E.isLeft(read)) return await orExit(verifyRun(store, id)); // reports what it can of the damage
  const { task, ...means } = await meansOf(id, read.right.state, args);
  const workers = workersOf(means.device, args);
  const { from, to, sample, branch } = args;
  const options: ReplayOptions = {
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    ...(branch !== undefined && { branch }),
    ...(sample !== undefined && { sample: { count: sample, draw: systemDraw } }),
    ...(workers && { workers }),
  };
  try {
    return await orExit(replayRun({ store, ...means }, id, task, options));
  } finally {
    means.reporter.close();
    await workers?.close();
  }
}

/** Workers that compute as this thread would; none where one is enough, which is this thread. */
function workersOf(
  { environment }: Device,
  { workers = 1, runs }: ArgumentsOf<"verify">,
): SegmentWorkers | undefined {
  if (workers === 1) return undefined;
  return segmentWorkers({
    count: workers,
    root: runsDirectory(runs),
    backend: environment.backend as Backend,
    task: { module: import.meta.resolve("../recipes/recipe_task.ts"), export: "recipeTask" },
  });
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
  return { device, reporter, code, task: recipe.task } satisfies RepairMeans;
}

function print(report: VerifyReport & Partial<RepairReport>): void {
  const { run, events, steps, snapshots, samples, replay, repaired, otherCode, torn, problems } =
    report;
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
    `${run}: ${counted(events, "event")}, ${counted(steps, "step")}` +
      (samples > 0
        ? `, ${counted(snapshots, "snapshot")} and ${counted(samples, "sample")} checked`
        : ` and ${counted(snapshots, "snapshot")} checked`) +
      (replay ? `; ${replayed(replay)}` : "") +
      (problems.length === 0 ? "; all as recorded" : `; problems: ${problems.length}`),
  );
}

function replayed({ steps, compared, fingerprints, segments, of, chance }: ReplayReport): string {
  const taken = chance === undefined || of === undefined
    ? ""
    : ` in ${segments.length} of ${of} segments, by which one forged segment is caught with a ` +
      `chance of ${segments.length}/${of} (${(100 * chance).toPrecision(3)}%)`;
  return `${counted(steps, "step")} recomputed, ${counted(compared, "event")} and ` +
    `${counted(fingerprints, "fingerprint")} compared${taken}`;
}
