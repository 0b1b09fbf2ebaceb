import * as E from "fp-ts/Either.js";
import type { SnapshotId, SnapshotManifest } from "../../core/snapshot.ts";
import type { Store } from "../../ports/store.ts";

/** The size of a snapshot's files as its manifest has it; undefined where that cannot be read. */
export async function snapshotBytes(
  { snapshots }: Store,
  id: SnapshotId,
): Promise<number | undefined> {
  const manifest = await snapshots.manifest(id)();
  if (E.isLeft(manifest)) return undefined;
  return bytesOfFiles(manifest.right);
}

/** The size of the files that a manifest names, before what other snapshots have too. */
export function bytesOfFiles({ files }: SnapshotManifest): number {
  return Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0);
}
