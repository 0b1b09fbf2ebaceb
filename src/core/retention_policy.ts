import type { Digest } from "./digest.ts";
import { requireInteger } from "./require_integer.ts";
import type { SnapshotRef } from "./run_state.ts";

/** A snapshot that was kept until now, with what a policy may ask of it. */
export interface KeptSnapshot
  extends
    Pick<SnapshotRef, "step" | "snapshot" | "loss" | "evaluation">,
    Partial<Pick<SnapshotRef, "reason">> {
  /** When it was recorded, from the envelope of its event: ISO 8601, UTC, milliseconds; where known. */
  readonly recordedAt?: string;
}

/** The rules that want a snapshot to be kept, in words, by its id. */
export type Wanted = ReadonlyMap<Digest, readonly string[]>;

/**
 * Which of a run's snapshots are to be kept, and why.
 *
 * It depends on the snapshots alone, not on their order; and asked again about those that it wanted,
 * it wants them all. So pruning a second time removes nothing more.
 */
export type RetentionPolicy = (snapshots: readonly KeptSnapshot[]) => Wanted;

/** What a snapshot can be best in: the lower, the better. */
export type SnapshotMetric = "evaluation" | "loss";

/** Keeps the newest `count`. */
export function keepLast(count: number): RetentionPolicy {
  requireInteger("keepLast", count, 1);
  return (snapshots) => want(newestFirst(snapshots).slice(0, count), `last ${count}`);
}

/**
 * Keeps the `count` lowest by a metric: evaluation loss where any snapshot has one, else training
 * loss, unless it is named.
 *
 * What has no such metric, or NaN, is no candidate. Of equals the earlier one comes first.
 */
export function keepBest(count: number, metric?: SnapshotMetric): RetentionPolicy {
  requireInteger("keepBest", count, 1);
  return (snapshots) => {
    const by = metric ?? metricOf(snapshots);
    return want(bestFirst(snapshots, by).slice(0, count), `best ${count} by ${by}`);
  };
}

/** Keeps those whose step is a multiple of `steps`. */
export function keepEvery(steps: number): RetentionPolicy {
  requireInteger("keepEvery", steps, 1);
  return (snapshots) =>
    want(snapshots.filter(({ step }) => step % steps === 0), `every ${steps} steps`);
}

/**
 * Keeps those that were recorded at `moment` (ISO 8601, UTC, milliseconds) or later, or nobody knows
 * when.
 *
 * A moment, not an age: whoever asks knows the time. Such texts are in order as the times are.
 */
export function keepSince(moment: string): RetentionPolicy {
  return (snapshots) =>
    want(snapshots.filter(({ recordedAt = moment }) => recordedAt >= moment), `since ${moment}`);
}

/** Keeps what any of the policies wants, for all of their reasons. */
export function anyOf(...policies: readonly RetentionPolicy[]): RetentionPolicy {
  return (snapshots) => {
    const wanted = new Map<Digest, readonly string[]>();
    for (const policy of policies) {
      for (const [id, reasons] of policy(snapshots)) {
        wanted.set(id, [...wanted.get(id) ?? [], ...reasons]);
      }
    }
    return wanted;
  };
}

/** What is never pruned, whatever a policy says. */
export interface Protection {
  /** Whether a snapshot can be read: the newest that can is what a run goes on from. */
  readonly readable: (id: Digest) => boolean;
  /** Snapshots that something else depends on, such as a fork, and what. */
  readonly needed?: Wanted;
}

/** What becomes of a snapshot. */
export interface Verdict {
  readonly snapshot: KeptSnapshot;
  /** Why it is kept; empty where it is to be pruned. */
  readonly reasons: readonly string[];
}

/**
 * What becomes of each snapshot, in the order given: a policy decides, except over the newest one that
 * can be read, the best one, and those that are needed.
 */
export function judge(
  snapshots: readonly KeptSnapshot[],
  policy: RetentionPolicy,
  protection: Protection,
): readonly Verdict[] {
  const wanted = anyOf(protectedBy(protection), policy)(snapshots);
  return snapshots.map((snapshot) => ({
    snapshot,
    reasons: wanted.get(snapshot.snapshot) ?? [],
  }));
}

function protectedBy({ readable, needed = new Map() }: Protection): RetentionPolicy {
  return anyOf(
    (snapshots) =>
      want(newestFirst(snapshots).filter((one) => readable(one.snapshot)).slice(0, 1), "newest"),
    (snapshots) => want(bestFirst(snapshots, metricOf(snapshots)).slice(0, 1), "best"),
    (snapshots) => want(snapshots.filter(({ reason }) => reason === "forked"), "where it begins"),
    () => needed,
  );
}

function want(snapshots: readonly KeptSnapshot[], reason: string): Wanted {
  return new Map(snapshots.map(({ snapshot }) => [snapshot, [reason]]));
}

function newestFirst(snapshots: readonly KeptSnapshot[]): readonly KeptSnapshot[] {
  return snapshots.toSorted((a, b) => b.step - a.step);
}

function bestFirst(
  snapshots: readonly KeptSnapshot[],
  metric: SnapshotMetric,
): readonly KeptSnapshot[] {
  return snapshots.filter((snapshot) => isNumber(snapshot[metric])).toSorted((a, b) => {
    if (a[metric] === b[metric]) return a.step - b.step;
    return a[metric]! < b[metric]! ? -1 : 1;
  });
}

function metricOf(snapshots: readonly KeptSnapshot[]): SnapshotMetric {
  return snapshots.some(({ evaluation }) => isNumber(evaluation)) ? "evaluation" : "loss";
}

function isNumber(value: number | undefined): boolean {
  return value !== undefined && !Number.isNaN(value);
}
