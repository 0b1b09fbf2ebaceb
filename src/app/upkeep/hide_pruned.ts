import type { RunEvent } from "../../core/event.ts";
import type { RunId } from "../../core/run_id.ts";
import type { Await } from "../../ports/attempt.ts";
import type { Store } from "../../ports/store.ts";
import type { RunError } from "../errors/errors.ts";

/**
 * Takes out of a run's view all snapshots that its log says were pruned, whoever pruned them: they may
 * have died before they did it.
 */
export async function hidePruned(
  store: Store,
  run: RunId,
  events: readonly RunEvent[],
  get: Await<RunError>,
): Promise<void> {
  const steps = new Set<number>();
  for (const { type, data } of events) {
    if (type === "SnapshotPruned") steps.add(data.step);
    if (type === "SnapshotTaken") steps.delete(data.step); // pruned once, and taken again
  }
  for (const step of steps) await get(store.snapshots.hide(run, step));
}
