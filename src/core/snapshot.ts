import type { DataCursor } from "./data_cursor.ts";
import type { Digest } from "./digest.ts";
import type { HostTensor } from "./host_tensor.ts";

/** The version of the manifest that this foldlog writes. */
export const SNAPSHOT_FORMAT = 2;

/** The tensors of one group by their path in the tree, such as "h.0.attn.c_attn.weight". */
export type TensorGroup = ReadonlyMap<string, HostTensor>;

/**
 * A training state in host memory, as the snapshot store takes and gives it.
 *
 * `groups` are stored as a file each ("model", "optimizer", "base"): what did not change is stored once.
 */
export interface Snapshot {
  readonly task: string;
  readonly step: number;
  readonly cursor: DataCursor;
  /**
   * Digest of what the log says was computed up to here (`historyDigest`): the snapshot commits to its
   * history. A manifest of format 1 has none.
   */
  readonly history?: Digest;
  readonly groups: Readonly<Record<string, TensorGroup>>;
}

/** Whether a group may have this name, which is also that of a file: small letters, digits and `_`. */
export function isGroupName(text: string): boolean {
  return /^[a-z][a-z0-9_]*$/.test(text);
}

/** Name of a snapshot: the digest of its manifest. */
export type SnapshotId = Digest;

/** What a snapshot consists of. Equal states of equal tasks have equal manifests, byte for byte. */
export interface SnapshotManifest {
  readonly format: number;
  readonly task: string;
  readonly step: number;
  readonly cursor: DataCursor;
  /** Digest of `leaves`: equal for equal training states. */
  readonly state: Digest;
  /** Digest of the history that led here; absent in format 1. */
  readonly history?: Digest;
  /** The safetensors file of each group. */
  readonly files: Readonly<Record<string, FileRef>>;
  /** Digest of each tensor's type, shape and bytes, by "group/path". */
  readonly leaves: Readonly<Record<string, Digest>>;
}

/** An object in the store. */
export interface FileRef {
  readonly digest: Digest;
  readonly bytes: number;
}

/** The parameters that a snapshot holds, trained and frozen ones, by path. */
export function paramsOf(
  { groups: { model = new Map(), base = new Map() } }: Snapshot,
): TensorGroup {
  return new Map([...model, ...base]);
}
