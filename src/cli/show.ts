import { fileStore } from "../adapters/file_store.ts";
import { diskUse } from "../app/upkeep/disk_use.ts";
import { writeFiles } from "../adapters/files/write_files.ts";
import { branchOfRun } from "../app/reading/branch_of_run.ts";
import type { RunError } from "../app/errors/errors.ts";
import { placeAt } from "../app/replay/place_in_run.ts";
import { readHead, readRun } from "../app/reading/read_run.ts";
import type { PastState } from "../app/replay/rewind.ts";
import { readCode } from "../app/reading/run_code.ts";
import { kernelSetDigest } from "../codec/kernel_set_digest.ts";
import { settings } from "../core/config_path.ts";
import type { RunId } from "../core/run_id.ts";
import { originName, type RunOrigin } from "../core/run_origin.ts";
import type { RunState } from "../core/run_state.ts";
import { type RunSummary, runSummary } from "../core/run_summary.ts";
import { attempt } from "../ports/attempt.ts";
import type { Store } from "../ports/store.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, printJson, runsDirectory } from "./context.ts";
import { diskText } from "./disk_text.ts";
import { runPlaceOf } from "./run_at.ts";
import { leftOutText } from "./left_out_text.ts";
import { measuresText } from "./measures_text.ts";
import { loss, table } from "./table.ts";
import { UsageError } from "./usage_error.ts";

/** Shows what a run is and how far it came, or what it was at a step of it or of a branch that it left. */
export async function run(args: ArgumentsOf<"show">): Promise<number> {
  const { run, at } = runPlaceOf(args.run);
  const store = fileStore(runsDirectory(args.runs));
  if (args.code !== undefined) return await writeCode(store, run, args.code, args.json);
  return at === undefined && args.branch === undefined
    ? await showHead(store, run, args.json)
    : await showPast(store, run, at, args);
}

async function showHead(store: Store, run: RunId, json: boolean): Promise<number> {
  const { state, ends, torn } = await orExit(readHead(store, run));
  const disk = await orExit(diskUse(store, run, state));
  const summary = {
    runId: run,
    ...runSummary(state),
    sessions: ends.last.session,
    startedAt: ends.first.recordedAt,
    lastEventAt: ends.last.recordedAt,
    torn: torn ?? null,
    disk,
    origin: state.origin ?? null,
  };
  if (json) {
    printJson(summary);
    return 0;
  }
  print(run, state, [
    ["sessions", `${summary.sessions}, from ${summary.startedAt} to ${summary.lastEventAt}`],
    ["snapshots", summary.snapshots.map(({ step }) => step).join(", ") || "none"],
    ...(state.abandoned
      ? [[
        "left",
        `branches with snapshots of steps ${state.abandoned.map(({ step }) => step).join(", ")} ` +
        "(--branch N shows one)",
      ]]
      : []),
    ["disk", diskText(disk)],
    ...(torn ? [["torn tail", `${torn.bytes} bytes at ${torn.place}, never acknowledged`]] : []),
  ]);
  return 0;
}

/** What the run was after a step: of its live branch, or of one that it left. */
async function showPast(
  store: Store,
  run: RunId,
  at: string | undefined,
  { branch, json }: Pick<ArgumentsOf<"show">, "branch" | "json">,
): Promise<number> {
  const recorded = await orExit(readRun(store, run));
  const past = attempt<RunError, PastState>(() =>
    Promise.resolve(placeAt(branchOfRun(recorded, branch), at ?? "latest"))
  );
  const { state, history, position } = await orExit(past);
  if (json) {
    const { status: _, snapshots: __, ...rest } = runSummary(state);
    const { origin = null } = state;
    const about = { branch: branch ?? null, historyDigest: history, position, origin };
    printJson({ runId: run, ...rest, ...about });
    return 0;
  }
  print(run, state, [
    ["history", `${history.slice(0, 12)}, after ${position} events`],
    ...(branch === undefined ? [] : [["branch", `${branch}, which the run left`]]),
  ]);
  return 0;
}

function print(run: RunId, state: RunState, more: readonly (readonly string[])[]): void {
  const summary = runSummary(state);
  const { backend, adapter, tfjs, runtime, platform } = state.environment!;
  const environment = `${backend} (${adapter}), tfjs ${tfjs}, ${runtime}, ${platform}`;
  const facts = [
    ["run", run],
    ["recipe", summary.recipe ?? "-"],
    ...(state.origin ? [["origin", originText(state.origin)]] : []),
    ["status", summary.status],
    ["step", `${summary.step} of ${summary.maxSteps}, epoch ${summary.epoch}`],
    ...(summary.files === null ? [] : [["files", filesText(summary)]]),
    ...(summary.skippedSteps > 0 ? [["skipped", `${summary.skippedSteps} steps`]] : []),
    [
      "loss",
      `last ${loss(summary.lastLoss)}, moving average ${loss(summary.trainEmaLoss)}, ` +
      `best ${loss(summary.bestLoss)} at step ${summary.bestStep ?? "-"}`,
    ],
    ...(summary.measures
      ? [["measures", measuresText(summary.measures).slice(2) + ", in the last evaluation"]]
      : []),
    ["backend", environment],
    ["kernels", kernelSetDigest(state.environment!)?.slice(0, 16) ?? "not recorded"],
    ["code", state.code?.slice(0, 12) ?? "not recorded"],
    ...more,
  ];
  console.log(table(["", ""], facts).trimStart());
  console.log("\nsettings");
  const rows = [...settings(state.config!)].map(([path, value]) => [`  ${path}`, String(value)]);
  console.log(table(["", ""], rows).replace(/^\s*\n/, ""));
}

function filesText({ filesDone, files }: RunSummary): string {
  return filesDone === null ? `${files}, shuffled` : `${filesDone} of ${files}`;
}

function originText(origin: RunOrigin): string {
  const { parent, file, takes, into, leftOut, divergence } = origin;
  const what = takes === "state" ? "the state" : "the weights";
  const where = into === undefined ? "" : `, as its "${into}"`;
  return `${what} of ${originName(origin)} (${(parent?.state ?? file!.digest).slice(0, 12)})` +
    where +
    (leftOut ? `, without ${leftOutText(leftOut)}` : "") +
    (divergence === undefined ? "" : `, since its step ${divergence} could not be recomputed`);
}

/** Writes out the code that computes a run. */
async function writeCode(
  store: Store,
  run: RunId,
  directory: string,
  json: boolean,
): Promise<number> {
  if (directory === "") {
    throw new UsageError("Expected --code to name a directory, found an empty text.");
  }
  const { digest, manifest, files } = await orExit(readCode(store, run));
  await orExit(writeFiles(directory, files));
  const { imports } = manifest;
  if (json) printJson({ runId: run, code: digest, directory, files: [...files.keys()], imports });
  else {
    console.log(`${directory}: ${files.size} files of the code ${digest.slice(0, 12)}`);
    if (imports.length > 0) console.log(`It imports besides:\n  ${imports.join("\n  ")}`);
  }
  return 0;
}
