import type { TaskEither } from "fp-ts/TaskEither.js";
import type { RunId } from "../core/run_id.ts";
import type { Snapshot, SnapshotId, SnapshotManifest } from "../core/snapshot.ts";

/** Keeps snapshots under the digest of their manifest, shared by all runs. */
export interface SnapshotStore {
  /** Stores a snapshot and resolves when its bytes are durable; storing it again changes nothing. Borrows the tensors. */
  readonly put: (run: RunId, snapshot: Snapshot) => TaskEither<SnapshotError, StoredSnapshot>;
  /** The snapshot, every byte checked against its digest. The caller owns the tensors. */
  readonly get: (id: SnapshotId) => TaskEither<SnapshotError, Snapshot>;
  /** The snapshot's manifest, checked against its digest. */
  readonly manifest: (id: SnapshotId) => TaskEither<SnapshotError, SnapshotManifest>;
  /** The snapshots that the store has, sorted by id, whether or not a log names them. */
  readonly list: () => TaskEither<SnapshotError, readonly SnapshotId[]>;
}

/** A snapshot in the store. */
export interface StoredSnapshot {
  readonly id: SnapshotId;
  readonly manifest: SnapshotManifest;
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
    readonly found: number;
    readonly known: number;
  }
  | {
    readonly type: "SnapshotsUnavailable";
    readonly action: string;
    readonly place: string;
    readonly reason: string;
  };
