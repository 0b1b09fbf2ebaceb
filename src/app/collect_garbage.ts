import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import type { RunId } from "../core/run_id.ts";
import { keptSnapshots, type SnapshotRef } from "../core/run_state.ts";
import type { SnapshotId } from "../core/snapshot.ts";
import { attempt, fail } from "../ports/attempt.ts";
import type { Extent, LogContents, LogError } from "../ports/event_log.ts";
import { readTo } from "../ports/read_to.ts";
import type { Collected, SnapshotError } from "../ports/snapshot_store.ts";
import type { Store } from "../ports/store.ts";
import { foldOf } from "../ports/fold_log.ts";
import type { RunError } from "./errors.ts";
import { unnamed } from "./unnamed_views.ts";

/** How garbage is collected. */
export interface CollectOptions {
  /** Only counts. */
  readonly dryRun?: boolean;
  /** Counts as if these snapshots of a run were pruned. */
  readonly without?: Pruning;
  /** How much of each log is read and checked: all of it, unless the caller has done that before. */
  readonly extent?: Extent;
}

/** Snapshots that a run is to keep no longer. */
export interface Pruning {
  readonly run: RunId;
  readonly snapshots: readonly SnapshotId[];
}

/** Whose snapshot it is; one without a run is that of an archived one. */
export interface NeededBy {
  readonly run?: RunId;
  readonly step: number;
}

/**
 * Removes all objects that no run of the store needs; says how many, and their bytes.
 *
 * A run needs the snapshots that its log names and that were not pruned, and those that its view shows
 * and its log tells nothing of: the log may have lost its end. Archived runs count. Where a log cannot
 * be read, any line of it, nobody knows what it needs: then nothing is removed, and SnapshotsUnknown
 * names the run. FilesUnknown names the snapshot where that cannot be read.
 */
export function collectGarbage(
  store: Store,
  { dryRun = false, ...options }: CollectOptions = {},
): TaskEither<RunError, Collected> {
  return attempt<RunError, Collected>(async () => {
    let live: ReadonlyMap<SnapshotId, NeededBy> = new Map();
    const ids = attempt<RunError, ReadonlySet<SnapshotId>>(async (get) => {
      live = await get(liveSnapshots(store, options));
      return new Set(live.keys());
    });
    const collected = await store.snapshots.collect(() => ids, { dryRun })();
    return E.isRight(collected) ? collected.right : fail(withOwner(collected.left, live));
  });
}

/** The snapshots that any run of the store needs; `without` as if those were pruned already. */
export function liveSnapshots(
  store: Store,
  { without, extent = "whole" }: Omit<CollectOptions, "dryRun"> = {},
): TaskEither<RunError, ReadonlyMap<SnapshotId, NeededBy>> {
  return attempt<RunError, ReadonlyMap<SnapshotId, NeededBy>>(async (get) => {
    const live = new Map<SnapshotId, NeededBy>();
    for (const run of await get(store.log.runs())) {
      const shown = await known(store.snapshots.shown(run)); // before the log: views precede events
      const contents = await known(readTo(extent, store.log, run));
      const pruned = run === without?.run ? without.snapshots : [];
      for (const { step, snapshot } of [...kept(contents), ...unnamed(shown, contents)]) {
        if (!pruned.includes(snapshot)) live.set(snapshot, { run, step });
      }
    }
    // After the runs: one that is archived meanwhile is found here.
    for (const archived of await known(store.log.archived(extent))) {
      for (const { step, snapshot } of kept(archived)) {
        if (!live.has(snapshot)) live.set(snapshot, { step });
      }
    }
    return live;
  });
}

function kept(contents: LogContents): readonly SnapshotRef[] {
  return keptSnapshots(foldOf(contents));
}

/** What a log or a view says; where it says nothing, that is why its snapshots are unknown. */
async function known<A>(reading: TaskEither<LogError | SnapshotError, A>): Promise<A> {
  const result = await reading();
  if (E.isRight(result)) return result.right;
  return fail({ type: "SnapshotsUnknown", because: result.left } satisfies RunError);
}

/** Says of a snapshot that cannot be read which one it is. */
function withOwner(error: RunError, live: ReadonlyMap<SnapshotId, NeededBy>): RunError {
  if (error.type !== "SnapshotDamaged" && error.type !== "NewerSnapshot") return error;
  const owner = live.get(error.id);
  return owner === undefined ? error : { type: "FilesUnknown", ...owner, because: error };
}
