import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { decide } from "../../core/decide.ts";
import type { RunEvent } from "../../core/event.ts";
import type { RecordedEvent } from "../../core/recorded_event.ts";
import { judge, type RetentionPolicy, type Verdict } from "../../core/retention_policy.ts";
import type { RunId } from "../../core/run_id.ts";
import type { SnapshotRef } from "../../core/run_state.ts";
import type { SnapshotId } from "../../core/snapshot.ts";
import { attempt, type Await, fail } from "../../ports/attempt.ts";
import type { LogWriter } from "../../ports/event_log.ts";
import type { Collected } from "../../ports/snapshot_store.ts";
import type { Store } from "../../ports/store.ts";
import { checkSnapshot } from "./check_snapshot.ts";
import { collectGarbage } from "./collect_garbage.ts";
import type { RunError } from "../errors/errors.ts";
import { hidePruned } from "./hide_pruned.ts";
import { readHead, readRun, type RecordedRun } from "../reading/read_run.ts";
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
 * Prunes the snapshots of a run that a policy does not want, and those of branches that it has left; never
 * the newest that can be read, the best, nor the one that a fork begins with. Any step of theirs can still
 * be recomputed.
 *
 * The log says first which they are, then they go from the run's view, then their bytes from the store.
 * A crash in between leaves a run without fault; pruning again finishes what it left. What cannot be
 * collected is not begun; where the rest fails nevertheless, PruneUnfinished says what was done. With
 * `dryRun` nothing is changed. Fails with RunLocked while someone trains the run.
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
    const verdicts = dryRun
      ? await verdictsOn(store, await get(readRun(store, run)), policy, get)
      : await withWriter(store, run, (writer) => prune(store, run, policy, writer, get));
    const snapshots = [];
    for (const verdict of verdicts) {
      const bytes = await snapshotBytes(store, verdict.snapshot.snapshot);
      snapshots.push({ ...verdict, bytes });
    }
    const collected = dryRun
      ? await collectable(store, run, verdicts, get)
      : await finishing(run, verdicts, collectGarbage(store));
    return { run, dryRun, snapshots, collected };
  });
}

async function withWriter<A>(
  store: Store,
  run: RunId,
  work: (writer: LogWriter) => Promise<A>,
): Promise<A> {
  const opened = await store.log.open(run)();
  if (E.isLeft(opened)) {
    const { type } = opened.left;
    return fail(type === "LogUnavailable" ? unfinished(run, [], opened.left) : opened.left);
  }
  try {
    return await work(opened.right);
  } finally {
    await opened.right.close()();
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
  await collectable(store, run, verdicts, get); // what cannot be collected is not pruned
  const command = { type: "PruneSnapshots", data: { snapshots: prunedOf(verdicts) } } as const;
  const events = decide(command, recorded.state);
  if (E.isLeft(events)) return fail(events.left);
  const appended = await writer.append(events.right, recorded.state.version)();
  if (E.isLeft(appended)) return fail(unfinished(run, [], appended.left));
  const all = [...plain(recorded.events), ...events.right];
  await finishing(run, verdicts, attempt((get) => hidePruned(store, run, all, get)));
  return verdicts;
}

/** What would be collected if those that the verdicts are against were pruned. */
async function collectable(
  store: Store,
  run: RunId,
  verdicts: readonly Verdict[],
  get: Await<RunError>,
): Promise<Collected> {
  const without = { run, snapshots: prunedOf(verdicts) };
  return await get(collectGarbage(store, { dryRun: true, without }));
}

/** Does what follows when the log says already what is pruned. */
async function finishing<A>(
  run: RunId,
  verdicts: readonly Verdict[],
  work: TaskEither<RunError, A>,
): Promise<A> {
  const done = await work();
  if (E.isRight(done)) return done.right;
  const steps = verdicts.filter(isPruned).map(({ snapshot }) => snapshot.step);
  return fail(steps.length === 0 ? done.left : unfinished(run, steps, done.left));
}

function unfinished(run: RunId, steps: readonly number[], because: RunError): RunError {
  return { type: "PruneUnfinished", run, steps, because };
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
  const abandoned = (state.abandoned ?? []).map((snapshot) => ({ snapshot, reasons: [] }));
  return [...judge(kept, policy, { readable: (id) => id === newest }), ...abandoned];
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
  return verdicts.filter(isPruned).map(({ snapshot }) => snapshot.snapshot);
}

function isPruned({ reasons }: Verdict): boolean {
  return reasons.length === 0;
}

function plain(events: readonly RecordedEvent[]): readonly RunEvent[] {
  return events.map(({ event }) => event);
}
