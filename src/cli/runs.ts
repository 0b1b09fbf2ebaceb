import { fileStore } from "../adapters/file_store.ts";
import { readHead } from "../app/reading/read_run.ts";
import { runSummary } from "../core/run_summary.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { missingDirectory, orExit, printJson, runsDirectory } from "./context.ts";
import { runTree } from "./run_tree.ts";
import { loss, table } from "./table.ts";

/** Lists the runs, or draws which is a fork of which. A run whose log cannot be read is listed as that, and does not hide the others. */
export async function run(args: ArgumentsOf<"runs">): Promise<number> {
  const root = runsDirectory(args.runs);
  const missing = await missingDirectory(root);
  if (missing !== undefined) console.error(missing);
  const store = fileStore(root);
  const rows = [];
  for (const id of await orExit(store.log.runs())) {
    rows.push(await rowOf(store, id));
  }
  if (args.best) rows.sort((a, b) => (a.bestLoss ?? Infinity) - (b.bestLoss ?? Infinity));
  if (args.json) printJson(rows);
  else if (rows.length === 0) console.log(`There are no runs in ${root}.`);
  else if (args.tree) console.log(treeOf(rows));
  else {
    console.log(table(
      ["RUN", "RECIPE", "STATUS", "STEP", "LOSS", "BEST", "LAST EVENT"],
      rows.map((row) => [
        row.runId,
        row.recipe ?? "-",
        row.status,
        `${row.step}/${row.maxSteps ?? "-"}`,
        loss(row.lastLoss),
        loss(row.bestLoss),
        row.lastEventAt ?? "-",
      ]),
    ));
  }
  return 0;
}

type Row = Awaited<ReturnType<typeof rowOf>>;

function treeOf(rows: readonly Row[]): string {
  const lines = runTree(rows).map(({ run, lead }) => [
    `${lead}${run.runId}`,
    run.parent === null
      ? ""
      : `${run.takes === "weights" ? "weights of" : "from"} ${run.parent}@${run.parentStep}`,
    run.status,
    `${run.step}/${run.maxSteps ?? "-"}`,
    loss(run.lastLoss),
    loss(run.bestLoss),
  ]);
  return table(["RUN", "BEGAN", "STATUS", "STEP", "LOSS", "BEST"], lines);
}

async function rowOf(store: ReturnType<typeof fileStore>, id: string) {
  try {
    const { state, ends } = await orExit(readHead(store, id));
    const summary = runSummary(state);
    const { status, recipe, step, maxSteps, filesDone, files } = summary;
    const { lastLoss, bestLoss, measures } = summary;
    const lastEventAt = ends.last.recordedAt;
    const { parent, takes } = state.origin ?? {};
    return {
      runId: id,
      recipe,
      status,
      step,
      maxSteps,
      filesDone,
      files,
      lastLoss,
      bestLoss,
      measures,
      lastEventAt,
      parent: parent?.run ?? null,
      parentStep: parent?.step ?? null,
      takes: takes ?? null,
    };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return {
      runId: id,
      recipe: null,
      status: "unreadable",
      step: 0,
      maxSteps: null,
      filesDone: null,
      files: null,
      lastLoss: null,
      bestLoss: null,
      measures: null,
      lastEventAt: null,
      parent: null,
      parentStep: null,
      takes: null,
      error: error.message,
    };
  }
}
