import { encodeManifest } from "../../codec/manifest_codec.ts";
import { groupLayout, manifestOf } from "../../codec/snapshot_codec.ts";
import type { Digest } from "../../core/digest.ts";
import type { RunId } from "../../core/run_id.ts";
import type { FileRef, Snapshot, SnapshotId, SnapshotManifest } from "../../core/snapshot.ts";
import { checkpointPlace, showCheckpoint } from "./checkpoint_view.ts";
import type { Compression } from "./compression.ts";
import { storeGroup } from "./group_file.ts";
import { refuseLinks } from "../files/no_links.ts";
import { storeObject } from "./store_object.ts";

/** A snapshot to store, for a store whose lock is held. */
export interface StoreRequest {
  readonly root: string;
  /** In whose view it is shown, if in any. */
  readonly run: RunId | undefined;
  readonly snapshot: Snapshot;
  readonly compress: Compression;
  /** The snapshot of this run that was stored before, as far as is known. */
  readonly before?: SnapshotManifest;
}

/**
 * Stores a snapshot in the layout of docs/format.md: the file of each group, then the manifest, then
 * the view. Borrows the tensors.
 *
 * While a group becomes durable, the next is digested.
 */
export async function storeSnapshot(
  { root, run, snapshot, compress, before }: StoreRequest,
): Promise<{ readonly id: SnapshotId; readonly manifest: SnapshotManifest }> {
  if (run !== undefined) await refuseLinks(root, checkpointPlace(run, snapshot.step));
  const files: Record<string, FileRef> = {};
  const leaves: (readonly [string, Digest])[] = [];
  const durable: Promise<void>[] = [];
  try {
    for (const [group, tensors] of Object.entries(snapshot.groups)) {
      const ref = before?.files[group];
      const stored = await storeGroup(root, groupLayout(tensors), {
        compress,
        ...(ref && { before: ref }),
        digestBefore: (tensor) => before?.leaves[`${group}/${tensor}`],
      });
      files[group] = stored.ref;
      for (const [tensor, digest] of stored.leaves) leaves.push([`${group}/${tensor}`, digest]);
      stored.durable.catch(() => undefined); // told below, when the other groups are done
      durable.push(stored.durable);
    }
  } finally {
    await Promise.allSettled(durable); // the tensors are borrowed until then
  }
  await Promise.all(durable);
  const sorted = leaves.sort(([a], [b]) => a < b ? -1 : 1);
  const manifest = manifestOf(snapshot, files, Object.fromEntries(sorted));
  const id = await storeObject(root, encodeManifest(manifest));
  if (run !== undefined) await showCheckpoint(root, run, id, manifest);
  return { id, manifest };
}
