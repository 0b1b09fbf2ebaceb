import * as E from "fp-ts/Either.js";
import type { Digest } from "../../core/digest.ts";
import type { SnapshotId, SnapshotManifest } from "../../core/snapshot.ts";
import { attempt } from "../../ports/attempt.ts";
import type { SnapshotError } from "../../ports/snapshot_store.ts";
import { readManifest } from "./manifest_file.ts";
import { compressedName, objectName, readHeader } from "./object_file.ts";

/**
 * What snapshots take on disk: their manifests, files and the bases of compressed files, each once and as
 * large as it is there. What is missing takes nothing; of what cannot be read only its own size is known.
 */
export async function storedBytes(root: string, ids: readonly SnapshotId[]): Promise<number> {
  const seen = new Map<Digest, number>();
  for (const id of ids) {
    seen.set(id, await sizeOf(root, id));
    const manifest = await attempt<SnapshotError, SnapshotManifest>(() => readManifest(root, id))();
    if (E.isLeft(manifest)) continue;
    for (const { digest } of Object.values(manifest.right.files)) {
      await addWithBases(root, digest, seen);
    }
  }
  return [...seen.values()].reduce((sum, bytes) => sum + bytes, 0);
}

async function addWithBases(
  root: string,
  digest: Digest,
  seen: Map<Digest, number>,
): Promise<void> {
  for (let next: Digest | undefined = digest; next !== undefined && !seen.has(next);) {
    seen.set(next, await sizeOf(root, next));
    const found = await readHeader(root, next);
    next = found.type === "Header" ? found.header.base : undefined;
  }
}

/** Of an object: plain, compressed, or both. */
async function sizeOf(root: string, digest: Digest): Promise<number> {
  let bytes = 0;
  for (const name of [objectName(digest), compressedName(digest)]) {
    try {
      const { isFile, size } = await Deno.stat(`${root}/${name}`);
      if (isFile) bytes += size;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return bytes;
}
