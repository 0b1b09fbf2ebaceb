import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { decide } from "../core/decide.ts";
import type { RunEvent } from "../core/event.ts";
import type { RecordedEvent } from "../core/recorded_event.ts";
import { judge, type RetentionPolicy, type Verdict } from "../core/retention_policy.ts";
import type { RunId } from "../core/run_id.ts";
import type { SnapshotRef } from "../core/run_state.ts";
import type { SnapshotId } from "../core/snapshot.ts";
import { attempt, type Await, fail } from "../ports/attempt.ts";
import type { LogWriter } from "../ports/event_log.ts";
import type { Collected } from "../ports/snapshot_store.ts";
import type { Store } from "../ports/store.ts";
import { checkSnapshot } from "./check_snapshot.ts";
import { collectGarbage, liveSnapshots } from "./collect_garbage.ts";
import type { RunError } from "./errors.ts";
import { hidePruned } from "./hide_pruned.ts";
import { readHead, readRun, type RecordedRun } from "./read_run.ts";
import { snapshotBytes } from "./snapshot_bytes.ts";

/** What became of a run's snapshots, or would. */
export interface PruneReport {
  readonly run: RunId;
  readonly dryRun: boolean;
  /** Those that were kept until now, oldest first. */
  readonly snapshots: readonly PrunedOrKept[];
  /** What was removed from the store: snapshots that other runs keep too are not. */
  readonly collected: Collected;
}

/** A verdict on a snapshot, and its size where its manifest can be read. */
export interface PrunedOrKept extends Verdict {
  readonly bytes: number | undefined;
}

/**
 * Prunes the snapshots of a run that a policy does not want; never the newest that can be read, nor the
 * best. Any step of theirs can still be recomputed.
 *
 * The log says first which they are, then they go from the run's view, then their bytes from the store.
 * A crash in between leaves a run without fault; pruning again finishes what it left. With `dryRun`
 * nothing is changed. Fails with RunLocked while someone trains the run.
 */
export function pruneRun(
  store: Store,
  run: RunId,
  policy: RetentionPolicy,
  options: { readonly dryRun?: boolean } = {},
): TaskEither<RunError, PruneReport> {
  const { dryRun = false } = options;
  return attempt<RunError, PruneReport>(async (get) => {
    await get(readHead(store, run)); // a run that is not there would be made
    await get(liveSnapshots(store)); // what cannot be collected is not pruned
    const verdicts = dryRun
      ? await verdictsOn(store, await get(readRun(store, run)), policy, get)
      : await withWriter(store, run, get, (writer) => prune(store, run, policy, writer, get));
    const snapshots = [];
    for (const verdict of verdicts) {
      const bytes = await snapshotBytes(store, verdict.snapshot.snapshot);
      snapshots.push({ ...verdict, bytes });
    }
    const without = { run, snapshots: prunedOf(verdicts) };
    const collected = await get(collectGarbage(store, dryRun ? { dryRun, without } : {}));
    return { run, dryRun, snapshots, collected };
  });
}

async function withWriter<A>(
  store: Store,
  run: RunId,
  get: Await<RunError>,
  work: (writer: LogWriter) => Promise<A>,
): Promise<A> {
  const writer = await get(store.log.open(run));
  try {
    return await work(writer);
  } finally {
    await writer.close()();
  }
}

async function prune(
  store: Store,
  run: RunId,
  policy: RetentionPolicy,
  writer: LogWriter,
  get: Await<RunError>,
): Promise<readonly Verdict[]> {
  const recorded = await get(readRun(store, run)); // again: from here on nobody else writes to it
  const verdicts = await verdictsOn(store, recorded, policy, get);
  const command = { type: "PruneSnapshots", data: { snapshots: prunedOf(verdicts) } } as const;
  const events = decide(command, recorded.state);
  if (E.isLeft(events)) return fail(events.left);
  await get(writer.append(events.right, recorded.state.version));
  await hidePruned(store, run, [...plain(recorded.events), ...events.right], get);
  return verdicts;
}

async function verdictsOn(
  store: Store,
  { state, events }: RecordedRun,
  policy: RetentionPolicy,
  get: Await<RunError>,
): Promise<readonly Verdict[]> {
  const kept = state.snapshots.map((ref) => ({
    ...ref,
    recordedAt: events[ref.position]!.recordedAt,
  }));
  const newest = await newestReadable(store, state.snapshots, get);
  return judge(kept, policy, { readable: (id) => id === newest });
}

async function newestReadable(
  store: Store,
  kept: readonly SnapshotRef[],
  get: Await<RunError>,
): Promise<SnapshotId | undefined> {
  for (const ref of kept.toReversed()) {
    if (await get(checkSnapshot(store, ref)) === undefined) return ref.snapshot;
  }
  return undefined;
}

function prunedOf(verdicts: readonly Verdict[]): readonly SnapshotId[] {
  return verdicts.filter(({ reasons }) => reasons.length === 0).map(({ snapshot }) =>
    snapshot.snapshot
  );
}

function plain(events: readonly RecordedEvent[]): readonly RunEvent[] {
  return events.map(({ event }) => event);
}
