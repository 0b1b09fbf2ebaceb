import * as E from "fp-ts/Either.js";
import { type PackedSnapshot, packSnapshot, unpackSnapshot } from "../codec/snapshot_codec.ts";
import type { SnapshotId } from "../core/snapshot.ts";
import type { SnapshotStore } from "../ports/snapshot_store.ts";

const PLACE = "memory";

/** A snapshot store that lives as long as the process. It keeps bytes, as a store on disk does. */
export function memorySnapshotStore(): SnapshotStore {
  const packed = new Map<SnapshotId, PackedSnapshot>();
  const missing = (id: SnapshotId) =>
    E.left({ type: "SnapshotMissing", id, place: PLACE } as const);
  return {
    put: (_run, snapshot) => () => {
      const entry = packSnapshot(snapshot);
      packed.set(entry.id, entry);
      return Promise.resolve(E.right({ id: entry.id, manifest: entry.manifest }));
    },
    get: (id) => () => {
      const entry = packed.get(id);
      if (entry === undefined) return Promise.resolve(missing(id));
      const copies = [...entry.files].map(([group, bytes]) => [group, bytes.slice()] as const);
      const snapshot = unpackSnapshot(entry.manifest, new Map(copies));
      return Promise.resolve(
        E.mapLeft((reason: string) =>
          ({ type: "SnapshotDamaged", id, place: PLACE, reason }) as const
        )(snapshot),
      );
    },
    manifest: (id) => () => {
      const entry = packed.get(id);
      return Promise.resolve(entry === undefined ? missing(id) : E.right(entry.manifest));
    },
    list: () => () => Promise.resolve(E.right([...packed.keys()].sort())),
  };
}
