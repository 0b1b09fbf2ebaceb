import type { RunHead } from "../app/reading/read_run.ts";
import { type DiskUse, diskUse } from "../app/upkeep/disk_use.ts";
import type { RunId } from "../core/run_id.ts";
import type { RunOrigin } from "../core/run_origin.ts";
import { type RunSummary, runSummary } from "../core/run_summary.ts";
import type { Store } from "../ports/store.ts";
import { orExit } from "./context.ts";
import { counted } from "./counted.ts";
import { diskText } from "./disk_text.ts";

/** What a run is now, for programs. */
export interface HeadSummary extends RunSummary {
  readonly runId: RunId;
  readonly sessions: number;
  readonly startedAt: string;
  readonly lastEventAt: string;
  readonly torn: RunHead["torn"] | null;
  readonly disk: DiskUse;
  readonly origin: RunOrigin | null;
}

/** What a run is now, its place on disk with it. */
export async function headSummary(
  store: Store,
  run: RunId,
  { state, ends, torn }: RunHead,
): Promise<HeadSummary> {
  return {
    runId: run,
    ...runSummary(state),
    sessions: ends.last.session,
    startedAt: ends.first.recordedAt,
    lastEventAt: ends.last.recordedAt,
    torn: torn ?? null,
    disk: await orExit(diskUse(store, run, state)),
    origin: state.origin ?? null,
  };
}

/** What is said of a run as it is now, besides what is said of it at any step. */
export function headFacts(
  { state, torn }: Pick<RunHead, "state" | "torn">,
  summary: HeadSummary,
): readonly (readonly string[])[] {
  return [
    ["sessions", `${summary.sessions}, from ${summary.startedAt} to ${summary.lastEventAt}`],
    ["snapshots", summary.snapshots.map(({ step }) => step).join(", ") || "none"],
    ...(state.abandoned
      ? [[
        "left",
        `branches with snapshots of steps ${state.abandoned.map(({ step }) => step).join(", ")} ` +
        "(--branch N shows one)",
      ]]
      : []),
    ...(state.sampleFiles
      ? [[
        "samples",
        `${
          counted(state.sampleFiles.length, "file")
        }, shown in ${summary.runId}/validation_samples`,
      ]]
      : []),
    ["disk", diskText(summary.disk)],
    ...(torn ? [["torn tail", `${torn.bytes} bytes at ${torn.place}, never acknowledged`]] : []),
  ];
}
