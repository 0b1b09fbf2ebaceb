import * as E from "fp-ts/Either.js";
import { type PackedSnapshot, packSnapshot, unpackSnapshot } from "../../codec/snapshot_codec.ts";
import type { SnapshotId } from "../../core/snapshot.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { SnapshotStore } from "../../ports/snapshot_store.ts";
import { type MemoryObjects, memoryObjects } from "./memory_objects.ts";

const PLACE = "memory";

/** A snapshot store that lives as long as the process. It keeps bytes, as a store on disk does. */
export function memorySnapshotStore(
  { sources, lock }: MemoryObjects = memoryObjects(),
): SnapshotStore {
  const stored = new Map<SnapshotId, PackedSnapshot>();
  const find = (id: SnapshotId) =>
    stored.get(id) ?? fail({ type: "SnapshotMissing", id, place: PLACE });
  const there = (id: SnapshotId) => stored.get(id) ?? [];
  return {
    put: (_run, snapshot) =>
      attempt(async () => {
        const packed = packSnapshot(snapshot);
        const release = await lock.shared();
        stored.set(packed.id, packed);
        const { id, manifest } = packed;
        return { id, manifest, groups: snapshot.groups, release };
      }),
    get: (id) =>
      attempt(() => {
        const { manifest, files } = find(id);
        const copies = [...files].map(([group, bytes]) => [group, bytes.slice()] as const);
        const snapshot = unpackSnapshot(manifest, new Map(copies));
        if (E.isRight(snapshot)) return Promise.resolve(snapshot.right);
        return fail({ type: "SnapshotDamaged", id, place: PLACE, reason: snapshot.left });
      }),
    manifest: (id) => attempt(() => Promise.resolve(find(id).manifest)),
    list: () => attempt(() => Promise.resolve([...stored.keys()].sort())),
    bytes: (ids) => attempt(() => Promise.resolve(sumOf(sizesOf(ids.flatMap(there))))),
    checkView: () => attempt(() => Promise.resolve([])),
    shown: () => attempt(() => Promise.resolve([])),
    hide: () => attempt(() => Promise.resolve()), // there is no view
    collect: (live, { dryRun = false } = {}) =>
      attempt(async (get) => {
        const release = await lock.exclusive();
        try {
          const needed = await get(live());
          const all = [...stored.values()];
          const dead = all.filter(({ id }) => !needed.snapshots.has(id));
          const sizes = sizesOf(dead);
          for (const [digest, { length }] of sources) sizes.set(digest, length);
          for (const digest of sizesOf(all.filter(({ id }) => needed.snapshots.has(id))).keys()) {
            sizes.delete(digest); // a file that a live snapshot names as well is kept
          }
          for (const digest of needed.sources) sizes.delete(digest);
          if (!dryRun) {
            for (const { id } of dead) stored.delete(id);
            for (const digest of sizes.keys()) sources.delete(digest);
          }
          const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
          return { objects: sizes.size, bytes };
        } finally {
          release();
        }
      }),
  };
}

function sumOf(sizes: ReadonlyMap<string, number>): number {
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/** The bytes of each object of these snapshots, by digest. */
function sizesOf(snapshots: readonly PackedSnapshot[]): Map<string, number> {
  const objects = snapshots.flatMap(({ id, manifest, manifestBytes }) => [
    [id, manifestBytes.length] as const,
    ...Object.values(manifest.files).map(({ digest, bytes }) => [digest, bytes] as const),
  ]);
  return new Map(objects);
}
