import { sha256 } from "../../codec/digest.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { SourceStore } from "../../ports/source_store.ts";
import { type MemoryObjects, memoryObjects } from "./memory_objects.ts";

/** Files that live as long as the process. */
export function memorySourceStore({ sources, lock }: MemoryObjects = memoryObjects()): SourceStore {
  return {
    put: (files) =>
      attempt(async () => {
        const release = await lock.shared();
        const digests = files.map((bytes) => {
          const digest = sha256(bytes);
          sources.set(digest, bytes.slice());
          return digest;
        });
        return { digests, release };
      }),
    get: (digest) =>
      attempt(() => {
        const bytes = sources.get(digest);
        if (bytes !== undefined) return Promise.resolve(bytes.slice());
        return fail({ type: "SourceMissing", digest, place: "memory" });
      }),
  };
}
