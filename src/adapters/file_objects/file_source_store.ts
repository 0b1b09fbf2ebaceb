import type { TaskEither } from "fp-ts/TaskEither.js";
import type { Digest } from "../../core/digest.ts";
import { fail } from "../../ports/attempt.ts";
import type { SourceError, SourceStore, StoredSources } from "../../ports/source_store.ts";
import { readPlain } from "./object_file.ts";
import { lockObjects } from "./store_lock.ts";
import { storeObject } from "./store_object.ts";
import { guarded } from "../files/system_error.ts";

/** Files that are made durable at once: waiting for a disk is most of the work. */
const AT_ONCE = 16;

const ANY_SIZE = { least: 0, most: Number.MAX_SAFE_INTEGER };

/** Files among the objects of the store `root`, in the layout of docs/format.md. */
export function fileSourceStore(root: string): SourceStore {
  return {
    put: (files) => guardedSources("store the sources", root, () => put(root, files)),
    get: (digest) =>
      guardedSources("read a source", root, async () => {
        const found = await readPlain(root, digest, ANY_SIZE);
        if (found.type === "Missing") return fail({ ...found, type: "SourceMissing", digest });
        if (found.type === "Damaged") return fail({ ...found, type: "SourceDamaged", digest });
        return found.bytes;
      }),
  };
}

async function put(root: string, files: readonly Uint8Array[]): Promise<StoredSources> {
  const release = await lockObjects(root, "shared");
  try {
    const digests: Digest[] = [];
    const waiting = files.entries();
    const storing = Array.from({ length: AT_ONCE }, async () => {
      for (const [index, bytes] of waiting) digests[index] = await storeObject(root, bytes);
    });
    await Promise.allSettled(storing); // nothing is written any more when the lock is given back
    await Promise.all(storing);
    return { digests, release };
  } catch (error) {
    release();
    throw error;
  }
}

function guardedSources<A>(
  action: string,
  place: string,
  work: () => Promise<A>,
): TaskEither<SourceError, A> {
  return guarded((reason) => ({ type: "SourcesUnavailable", action, place, reason }), work);
}
