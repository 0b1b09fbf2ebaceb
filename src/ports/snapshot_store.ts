import type { TaskEither } from "fp-ts/TaskEither.js";
import type { Digest } from "../core/digest.ts";
import type { RunId } from "../core/run_id.ts";
import type { Snapshot, SnapshotId, SnapshotManifest } from "../core/snapshot.ts";

/** Keeps snapshots under the digest of their manifest, shared by all runs. */
export interface SnapshotStore {
  /**
   * Stores a snapshot and resolves when its bytes are durable; storing it again changes nothing, and
   * mends what is damaged.
   *
   * Takes the tensors over: their memory may go to another thread and come back in the result. What is
   * stored is safe from `collect` until it is released, so append the event that names it before. It is
   * shown in the view of the run; in none where no run is given, whose log may not be there yet.
   */
  readonly put: (
    run: RunId | undefined,
    snapshot: Snapshot,
  ) => TaskEither<SnapshotError, StoredSnapshot>;
  /** The snapshot, every byte checked against its digest. The caller owns the tensors. */
  readonly get: (id: SnapshotId) => TaskEither<SnapshotError, Snapshot>;
  /** The snapshot's manifest, checked against its digest. */
  readonly manifest: (id: SnapshotId) => TaskEither<SnapshotError, SnapshotManifest>;
  /** The snapshots that the store has, sorted by id, whether or not a log names them. */
  readonly list: () => TaskEither<SnapshotError, readonly SnapshotId[]>;
  /**
   * What these snapshots take where they are kept, in bytes: each object once and as it is stored, those
   * that compressed ones are made from among them. What is missing or unreadable counts as far as it is there.
   */
  readonly bytes: (ids: readonly SnapshotId[]) => TaskEither<SnapshotError, number>;
  /**
   * Where the view of a run shows something else than these snapshots: one line each. What is not shown
   * at all is no flaw.
   */
  readonly checkView: (
    run: RunId,
    snapshots: readonly { readonly step: number; readonly snapshot: SnapshotId }[],
  ) => TaskEither<SnapshotError, readonly string[]>;
  /** The snapshots that the view of a run shows, whether or not its log names them. */
  readonly shown: (run: RunId) => TaskEither<SnapshotError, readonly ShownSnapshot[]>;
  /** Takes the snapshot of a step out of the view of a run; what it consists of stays until `collect`. */
  readonly hide: (run: RunId, step: number) => TaskEither<SnapshotError, void>;
  /**
   * Removes all that is not in `live` and that no snapshot of it needs, the files of a SourceStore too,
   * and what crashes left behind.
   *
   * Waits until nothing is being put, keeps others from putting until it is done, and asks for `live`
   * in between: so what a running writer has stored is named by then. With `dryRun` it only counts,
   * and waits for nobody.
   */
  readonly collect: <Failure>(
    live: () => TaskEither<Failure, LiveObjects>,
    options?: { readonly dryRun?: boolean },
  ) => TaskEither<Failure | SnapshotError, Collected>;
}

/** A snapshot in the view of a run. */
export interface ShownSnapshot {
  readonly step: number;
  readonly snapshot: SnapshotId;
  /** Where it is shown, for people. */
  readonly place: string;
}

/** What logs name, and is kept. */
export interface LiveObjects {
  readonly snapshots: ReadonlySet<SnapshotId>;
  /** Files of a SourceStore, each as it is: it needs no other. */
  readonly sources: ReadonlySet<Digest>;
}

/** What `collect` removed, or would remove. */
export interface Collected {
  readonly objects: number;
  readonly bytes: number;
}

/** A snapshot in the store. */
export interface StoredSnapshot {
  readonly id: SnapshotId;
  readonly manifest: SnapshotManifest;
  /**
   * The tensors that were put, given back as they were: their memory can be used for the next, in which
   * what did not change is not read again.
   */
  readonly groups: Snapshot["groups"];
  /** Says that the log names the snapshot by now, or never will. */
  readonly release: () => void;
}

/** What can go wrong with a snapshot. */
export type SnapshotError =
  | { readonly type: "SnapshotMissing"; readonly id: SnapshotId; readonly place: string }
  | {
    readonly type: "SnapshotDamaged";
    readonly id: SnapshotId;
    readonly place: string;
    readonly reason: string;
  }
  | {
    readonly type: "NewerSnapshot";
    readonly id: SnapshotId;
    /** The manifest, or the file of it that is of a newer format. */
    readonly place: string;
    readonly found: number;
    readonly known: number;
  }
  | {
    readonly type: "SnapshotsUnavailable";
    readonly action: string;
    readonly place: string;
    readonly reason: string;
  };
