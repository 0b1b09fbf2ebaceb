import { exportHistory } from "../app/reading/export_run.ts";
import type { RunId } from "../core/run_id.ts";
import type { Store } from "../ports/store.ts";
import { orExit } from "./context.ts";
import { lossChart } from "./loss_chart.ts";
import { chartRoom } from "./terminal.ts";

/** The losses of a run up to its end, drawn for this terminal. */
export async function chartOfRun(store: Store, run: RunId): Promise<string> {
  return lossChart(await orExit(exportHistory(store, run)), chartRoom());
}
