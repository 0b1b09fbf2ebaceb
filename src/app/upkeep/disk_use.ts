import type { TaskEither } from "fp-ts/TaskEither.js";
import type { RunId } from "../../core/run_id.ts";
import type { RunState } from "../../core/run_state.ts";
import { attempt } from "../../ports/attempt.ts";
import type { Store } from "../../ports/store.ts";
import type { RunError } from "../errors/errors.ts";

/** What a run takes where it is kept, in bytes. */
export interface DiskUse {
  readonly log: number;
  /** Of all snapshots that are kept, abandoned branches' too; what they share with other runs is counted. */
  readonly snapshots: number;
  /** Both, for each step that the run itself took and has on its live branch; null before the first. */
  readonly perStep: number | null;
}

/** What the run with this state takes on disk, or wherever else its store keeps it. */
export function diskUse(
  store: Store,
  run: RunId,
  { snapshots: kept, abandoned = [], step, origin }: RunState,
): TaskEither<RunError, DiskUse> {
  return attempt<RunError, DiskUse>(async (get) => {
    const ids = [...kept, ...abandoned].map(({ snapshot }) => snapshot);
    const log = await get(store.log.bytes(run));
    const snapshots = await get(store.snapshots.bytes(ids));
    const steps = step - (origin?.step ?? 0);
    return { log, snapshots, perStep: steps > 0 ? (log + snapshots) / steps : null };
  });
}
