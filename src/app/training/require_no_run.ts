import type { RunId } from "../../core/run_id.ts";
import { type Await, fail } from "../../ports/attempt.ts";
import { foldOf } from "../../ports/fold_log.ts";
import type { Store } from "../../ports/store.ts";
import type { RunError } from "../errors/errors.ts";

/** Fails with RunExists where there is such a run: before anything is computed or made for a new one. */
export async function requireNoRun(
  { log }: Store,
  run: RunId,
  get: Await<RunError>,
): Promise<void> {
  if (!(await get(log.runs())).includes(run)) return;
  const { step } = foldOf(await get(log.recent(run)));
  fail({ type: "RunExists", run, step } satisfies RunError);
}
