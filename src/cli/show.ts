import { fileStore } from "../adapters/file_store.ts";
import { writeFiles } from "../adapters/files/write_files.ts";
import type { RunError } from "../app/errors/errors.ts";
import { branchOfRun } from "../app/reading/branch_of_run.ts";
import { historyUpTo } from "../app/reading/export_run.ts";
import { readHead, readRun } from "../app/reading/read_run.ts";
import { readCode } from "../app/reading/run_code.ts";
import { placeAt } from "../app/replay/place_in_run.ts";
import type { PastState } from "../app/replay/rewind.ts";
import type { HistoryRow } from "../core/history_rows.ts";
import type { RunId } from "../core/run_id.ts";
import { runSummary } from "../core/run_summary.ts";
import { attempt } from "../ports/attempt.ts";
import type { Store } from "../ports/store.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, printJson, runsDirectory } from "./context.ts";
import { chartOfRun } from "./chart_of_run.ts";
import { lossChart } from "./loss_chart.ts";
import { runPlaceOf } from "./run_at.ts";
import { followShow } from "./show_follow.ts";
import { headFacts, headSummary } from "./show_head.ts";
import { factsText, settingsText } from "./show_text.ts";
import { chartRoom } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** Shows what a run is and how far it came, or what it was at a step of it or of a branch that it left. */
export async function run(args: ArgumentsOf<"show">): Promise<number> {
  const { run, at } = runPlaceOf(args.run);
  if (args.plot && args.json) throw new UsageError("Expected --plot or --json, found both.");
  const store = fileStore(runsDirectory(args.runs));
  const isPast = at !== undefined || args.branch !== undefined;
  if (args.follow) {
    if (isPast || args.code !== undefined) {
      throw new UsageError(
        "Expected --follow of a run alone, found it with a place, --branch or --code.",
      );
    }
    return await followShow(store, run, args);
  }
  if (args.code !== undefined) return await writeCode(store, run, args.code, args.json);
  return isPast ? await showPast(store, run, at, args) : await showHead(store, run, args);
}

async function showHead(
  store: Store,
  run: RunId,
  { json, plot }: Pick<ArgumentsOf<"show">, "json" | "plot">,
): Promise<number> {
  const head = await orExit(readHead(store, run));
  const summary = await headSummary(store, run, head);
  if (json) {
    printJson(summary);
    return 0;
  }
  console.log(factsText(run, head.state, headFacts(head, summary)));
  console.log(settingsText(head.state));
  if (plot) console.log(`\n${await chartOfRun(store, run)}`);
  return 0;
}

/** What the run was after a step: of its live branch, or of one that it left. */
async function showPast(
  store: Store,
  run: RunId,
  at: string | undefined,
  { branch, json, plot }: Pick<ArgumentsOf<"show">, "branch" | "json" | "plot">,
): Promise<number> {
  const recorded = await orExit(readRun(store, run));
  const found = attempt<RunError, { past: PastState; rows: readonly HistoryRow[] }>(() => {
    const there = branchOfRun(recorded, branch);
    const past = placeAt(there, at ?? "latest");
    return Promise.resolve({ past, rows: historyUpTo(there, past.position) });
  });
  const { past: { state, history, position }, rows } = await orExit(found);
  if (json) {
    const { status: _, snapshots: __, ...rest } = runSummary(state);
    const { origin = null } = state;
    const about = { branch: branch ?? null, historyDigest: history, position, origin };
    printJson({ runId: run, ...rest, ...about });
    return 0;
  }
  const about = [
    ["history", `${history.slice(0, 12)}, after ${position} events`],
    ...(branch === undefined ? [] : [["branch", `${branch}, which the run left`]]),
  ];
  console.log(factsText(run, state, about));
  console.log(settingsText(state));
  if (plot) console.log(`\n${lossChart(rows, chartRoom())}`);
  return 0;
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
