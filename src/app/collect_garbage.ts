import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import type { RunId } from "../core/run_id.ts";
import type { SnapshotId } from "../core/snapshot.ts";
import { attempt, fail } from "../ports/attempt.ts";
import type { Extent, LogContents, LogError } from "../ports/event_log.ts";
import { readTo } from "../ports/read_to.ts";
import type { Collected } from "../ports/snapshot_store.ts";
import type { Store } from "../ports/store.ts";
import { foldOf } from "../ports/fold_log.ts";
import type { RunError } from "./errors.ts";

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

/**
 * Removes all objects that no run of the store needs; says how many, and their bytes.
 *
 * A run needs the snapshots that its log names and that were not pruned; archived runs count. Where a
 * log cannot be read, any line of it, nobody knows what it needs: then nothing is removed, and
 * SnapshotsUnknown names the run.
 */
export function collectGarbage(
  store: Store,
  { dryRun = false, ...options }: CollectOptions = {},
): TaskEither<RunError, Collected> {
  return store.snapshots.collect(() => liveSnapshots(store, options), { dryRun });
}

/** The snapshots that any run of the store needs; `without` as if those were pruned already. */
export function liveSnapshots(
  store: Store,
  { without, extent = "whole" }: Omit<CollectOptions, "dryRun"> = {},
): TaskEither<RunError, ReadonlySet<SnapshotId>> {
  return attempt<RunError, ReadonlySet<SnapshotId>>(async (get) => {
    const live = new Set<SnapshotId>();
    for (const run of await get(store.log.runs())) {
      const pruned = run === without?.run ? without.snapshots : [];
      for (const id of snapshotsOf(await known(readTo(extent, store.log, run)))) {
        if (!pruned.includes(id)) live.add(id);
      }
    }
    // After the runs: one that is archived meanwhile is found here.
    for (const archived of await known(store.log.archived(extent))) {
      for (const id of snapshotsOf(archived)) live.add(id);
    }
    return live;
  });
}

function snapshotsOf(contents: LogContents): readonly SnapshotId[] {
  return foldOf(contents).snapshots.map(({ snapshot }) => snapshot);
}

/** What a log says; where it says nothing, that is why its snapshots are unknown. */
async function known<A>(reading: TaskEither<LogError, A>): Promise<A> {
  const result = await reading();
  if (E.isRight(result)) return result.right;
  return fail({ type: "SnapshotsUnknown", because: result.left } satisfies RunError);
}
