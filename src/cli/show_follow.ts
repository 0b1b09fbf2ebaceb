import { followRun } from "../app/reading/follow_run.ts";
import { type HistoryRow, historyRows } from "../core/history_rows.ts";
import type { RunId } from "../core/run_id.ts";
import type { Store } from "../ports/store.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { jsonText, orExit } from "./context.ts";
import { lossChart } from "./loss_chart.ts";
import { headFacts, headSummary } from "./show_head.ts";
import { factsText } from "./show_text.ts";
import { chartRoom, redrawn } from "./terminal.ts";
import { waitingFor, watching, written } from "./watching.ts";

/**
 * Shows a run as it goes on: on a terminal in place of what it was before, elsewhere the lines that changed,
 * and with --json the whole of it, a line each time.
 */
export async function followShow(
  store: Store,
  run: RunId,
  { json, plot }: Pick<ArgumentsOf<"show">, "json" | "plot">,
): Promise<number> {
  const { wait, dispose } = watching();
  const terminal = Deno.stdout.isTerminal();
  let rows: HistoryRow[] = [];
  let before: readonly string[] = [];
  try {
    await orExit(followRun(store, run, {
      wait,
      onMissing: () => console.error(waitingFor(run)),
      onNews: async ({ events, state, contents: { ends, torn } }) => {
        const head = { state, ends: ends!, ...(torn && { torn }) };
        const summary = await headSummary(store, run, head);
        if (json) return await written(`${jsonText(summary)}\n`);
        if (events[0]?.position === 0) rows = [];
        for (const { event } of events) rows = historyRows.evolve(rows, event);
        const facts = factsText(run, state, headFacts(head, summary));
        const text = plot ? `${facts}\n\n${lossChart(rows, chartRoom())}` : facts;
        const lines = text.split("\n");
        const shown = terminal
          ? redrawn(before, lines, Deno.consoleSize())
          : changed(before, lines);
        before = lines;
        return await written(shown);
      },
    }));
    return 0;
  } finally {
    dispose();
  }
}

/** The lines that were not there before, in their order. */
function changed(before: readonly string[], lines: readonly string[]): string {
  const known = new Set(before);
  return lines.filter((line) => !known.has(line)).map((line) => `${line}\n`).join("");
}
