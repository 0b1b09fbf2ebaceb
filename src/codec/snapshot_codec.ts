import * as E from "fp-ts/Either.js";
import type { Digest } from "../core/digest.ts";
import { bytesOf, type HostTensor } from "../core/host_tensor.ts";
import {
  type FileRef,
  isGroupName,
  type Snapshot,
  SNAPSHOT_FORMAT,
  type SnapshotId,
  type SnapshotManifest,
  type TensorGroup,
} from "../core/snapshot.ts";
import { apart } from "./apart.ts";
import { canonicalJson } from "./canonical_json.ts";
import { sha256 } from "./digest.ts";
import { encodeManifest } from "./manifest_codec.ts";
import {
  decodeSafetensors,
  describeSafetensorsError,
  encodeSafetensors,
  type SafetensorsLayout,
  safetensorsLayout,
} from "./safetensors.ts";

/** A snapshot as bytes: its manifest and the objects that the manifest names. */
export interface PackedSnapshot {
  readonly id: SnapshotId;
  readonly manifest: SnapshotManifest;
  readonly manifestBytes: Uint8Array;
  /** The safetensors file of each group. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const METADATA = { format: "pt" };

/**
 * Refuses groups whose name could not be a file's: small letters, digits and `_`.
 *
 * @throws TypeError that quotes the name
 */
export function requireGroups(groups: Snapshot["groups"]): void {
  for (const group of Object.keys(groups)) {
    if (!isGroupName(group)) {
      throw new TypeError(`Expected a group such as "model", found "${group}"`);
    }
  }
}

/** What the file of a group consists of. Borrows the tensors. */
export function groupLayout(tensors: TensorGroup): SafetensorsLayout {
  return safetensorsLayout(tensors, METADATA);
}

/**
 * Packs a snapshot. Equal snapshots give equal bytes and so equal ids. Borrows the tensors.
 *
 * Throws a TypeError for a group whose name could not be a file's: small letters, digits and `_`.
 */
export function packSnapshot(snapshot: Snapshot): PackedSnapshot {
  requireGroups(snapshot.groups);
  const files = new Map<string, Uint8Array>();
  const refs: Record<string, FileRef> = {};
  for (const [group, tensors] of Object.entries(snapshot.groups)) {
    const bytes = encodeSafetensors(tensors, METADATA);
    files.set(group, bytes);
    refs[group] = { digest: sha256(bytes), bytes: bytes.length };
  }
  const leaves = leafDigests(snapshot.groups);
  const manifest = manifestOf(snapshot, refs, leaves);
  const manifestBytes = encodeManifest(manifest);
  return { id: sha256(manifestBytes), manifest, manifestBytes, files };
}

/**
 * The manifest of a snapshot whose files and leaves have these digests.
 *
 * A snapshot that does not know its history has a manifest of format 1, as it had when it was stored.
 */
export function manifestOf(
  { task, step, cursor, history }: Omit<Snapshot, "groups">,
  files: Readonly<Record<string, FileRef>>,
  leaves: Readonly<Record<string, Digest>>,
): SnapshotManifest {
  const state = stateDigest(leaves);
  const body = { task, step, cursor, state, files, leaves };
  return history === undefined
    ? { format: 1, ...body }
    : { format: SNAPSHOT_FORMAT, ...body, history };
}

/**
 * The snapshot that a manifest and its files describe.
 *
 * Every file and tensor is checked against the manifest: a reason is given where one is missing, added
 * or different. `files` are borrowed; tensors may be views of them.
 */
export function unpackSnapshot(
  manifest: SnapshotManifest,
  files: ReadonlyMap<string, Uint8Array>,
): E.Either<string, Snapshot> {
  for (const [group, { digest, bytes }] of Object.entries(manifest.files)) {
    const file = files.get(group);
    if (file === undefined) return E.left(`file "${group}" is missing`);
    if (file.length !== bytes) {
      return E.left(`file "${group}": expected ${bytes} bytes, found ${file.length}`);
    }
    const actual = sha256(file);
    if (actual !== digest) {
      const [expected, found] = apart(digest, actual);
      return E.left(`file "${group}": expected digest ${expected}, found ${found}`);
    }
  }
  return snapshotOfFiles(manifest, files);
}

/** As {@link unpackSnapshot}, for files whose lengths and digests are known to be the manifest's. */
export function snapshotOfFiles(
  manifest: SnapshotManifest,
  files: ReadonlyMap<string, Uint8Array>,
): E.Either<string, Snapshot> {
  const groups: Record<string, TensorGroup> = {};
  for (const group of Object.keys(manifest.files)) {
    const decoded = decodeSafetensors(files.get(group)!);
    if (E.isLeft(decoded)) {
      return E.left(`file "${group}": ${describeSafetensorsError(decoded.left)}`);
    }
    groups[group] = decoded.right.tensors;
  }
  const [different] = differingLeaves(manifest.leaves, leafDigests(groups));
  if (different !== undefined) return E.left(`tensor "${different}" is not the manifest's`);
  if (stateDigest(manifest.leaves) !== manifest.state) {
    return E.left("the manifest's state digest is not that of its tensors");
  }
  const { task, step, cursor, history } = manifest;
  return E.right({ task, step, cursor, ...(history && { history }), groups });
}

/** Digest of each tensor by "group/path". */
export function leafDigests(
  groups: Readonly<Record<string, TensorGroup>>,
): Readonly<Record<string, Digest>> {
  const digests = Object.entries(groups).flatMap(([group, tensors]) =>
    [...tensors].map(([path, tensor]) => [`${group}/${path}`, tensorDigest(tensor)] as const)
  );
  return Object.fromEntries(digests.sort(([a], [b]) => a < b ? -1 : 1));
}

/** Digest of a whole training state: of its tensors' digests in sorted order. */
export function stateDigest(leaves: Readonly<Record<string, Digest>>): Digest {
  return sha256(canonicalJson(leaves));
}

/** The names, in sorted order, whose digests differ or that only one side has. */
export function differingLeaves(
  expected: Readonly<Record<string, Digest>>,
  actual: Readonly<Record<string, Digest>>,
): readonly string[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
  return [...names].filter((name) => expected[name] !== actual[name]).sort();
}

/** Digest of a tensor's type, shape and bits: NaNs with other payloads differ, as do 0 and -0. */
export function tensorDigest(tensor: HostTensor): Digest {
  return sha256(tensorHead(tensor), bytesOf(tensor));
}

/** What a tensor's digest is over before its bytes. */
export function tensorHead({ dtype, shape }: HostTensor): string {
  return `${dtype}[${shape.join(",")}]\n`;
}

/** Digest of a batch: of its tensors' digests by name. */
export function batchDigest(batch: Readonly<Record<string, HostTensor>>): Digest {
  const digests = Object.entries(batch).map(([name, tensor]) => [name, tensorDigest(tensor)]);
  return sha256(canonicalJson(Object.fromEntries(digests)));
}
