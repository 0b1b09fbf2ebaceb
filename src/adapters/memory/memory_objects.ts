import type { Digest } from "../../core/digest.ts";
import { type SharedLock, sharedLock } from "./shared_lock.ts";

/** What the parts of a store in memory share: files by digest, and the lock of whoever collects. */
export interface MemoryObjects {
  readonly sources: Map<Digest, Uint8Array>;
  readonly lock: SharedLock;
}

/** No files yet, and a lock that nobody holds. */
export function memoryObjects(): MemoryObjects {
  return { sources: new Map(), lock: sharedLock() };
}
