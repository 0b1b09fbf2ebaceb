import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { requireGroups, snapshotOfFiles } from "../../codec/snapshot_codec.ts";
import type { Digest } from "../../core/digest.ts";
import { parseRunId, type RunId } from "../../core/run_id.ts";
import type { Snapshot, SnapshotId, SnapshotManifest } from "../../core/snapshot.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { SnapshotError, SnapshotStore, StoredSnapshot } from "../../ports/snapshot_store.ts";
import { flawsOfView, hideCheckpoint, shownCheckpoints } from "./checkpoint_view.ts";
import { collectObjects } from "./collect_objects.ts";
import type { Compression } from "./compression.ts";
import { manifestsIn, readManifest } from "./manifest_file.ts";
import { objectName, readObject } from "./object_file.ts";
import type { StoreAnswer } from "./snapshot_worker.ts";
import { lockObjects } from "./store_lock.ts";
import type { StoreRequest } from "./store_snapshot.ts";
import { storedBytes } from "./stored_bytes.ts";
import { guarded } from "../files/system_error.ts";
import { buffersOf } from "./tensor_buffers.ts";
import { thread } from "./thread.ts";

/** How a snapshot store in files keeps what it is given. */
export interface FileSnapshotOptions {
  readonly compress?: Compression;
}

/** One for all stores of the process: snapshots are stored one after the other. */
const storing = thread<StoreRequest, StoreAnswer>(
  new URL("./snapshot_worker.ts", import.meta.url),
  "stores snapshots",
);

/**
 * Snapshots in files, in the layout of docs/format.md: content-addressed objects that all runs of
 * `root` share, and for each run a view of them under `checkpoints/step-N/`.
 *
 * They are digested and written on a thread of their own, which the tensors' memory visits meanwhile.
 */
export function fileSnapshotStore(
  root: string,
  { compress = "none" }: FileSnapshotOptions = {},
): SnapshotStore {
  const last = new Map<RunId, SnapshotManifest>();
  return {
    put: (run, snapshot) =>
      guardedStore("store the snapshot", root, async () => {
        if (run !== undefined) requireRunId(run);
        requireGroups(snapshot.groups);
        const before = run && last.get(run);
        const stored = await put({ root, run, snapshot, compress, ...(before && { before }) });
        if (run !== undefined) last.set(run, stored.manifest);
        return stored;
      }),
    manifest: (id) => guardedStore("read the manifest", root, () => readManifest(root, id)),
    get: (id) => guardedStore("read the snapshot", root, () => get(root, id)),
    list: () => guardedStore("list the snapshots", root, () => manifestsIn(root)),
    bytes: (ids) => guardedStore("measure the snapshots", root, () => storedBytes(root, ids)),
    checkView: (run, snapshots) =>
      guardedStore("check the view of the snapshots", root, async () => {
        requireRunId(run);
        const flaws: string[] = [];
        for (const { snapshot } of snapshots) {
          const manifest = await manifestIfReadable(root, snapshot);
          if (manifest !== undefined) {
            flaws.push(...await flawsOfView(root, run, snapshot, manifest));
          }
        }
        return [...new Set(flaws)]; // one thing can stand in the way of several
      }),
    shown: (run) =>
      guardedStore("list the view of the snapshots", root, async () => {
        requireRunId(run);
        return await shownCheckpoints(root, run);
      }),
    hide: (run, step) =>
      guardedStore("hide the snapshot", root, async () => {
        requireRunId(run);
        await hideCheckpoint(root, run, step);
      }),
    collect: (live, { dryRun = false } = {}) =>
      attempt(async (wait) => {
        // Alone even where it only counts: what is half stored is no garbage.
        const locking = guardedStore("lock the objects", root, () => lockObjects(root, "alone"));
        const release = await wait<() => void>(locking);
        try {
          const ids = await wait(live());
          return await wait(guardedStore(
            "collect the objects",
            root,
            () => collectObjects(root, ids, dryRun),
          ));
        } finally {
          release();
        }
      }),
  };
}

async function put(request: StoreRequest): Promise<StoredSnapshot> {
  const release = await lockObjects(request.root, "shared");
  try {
    const answer = await storing.ask(request, buffersOf(request.snapshot.groups));
    if (answer.type === "Stored") return { ...answer, release };
    return fail(unavailable("store the snapshot", request.root, answer.reason));
  } catch (error) {
    release();
    throw error;
  }
}

async function get(root: string, id: SnapshotId): Promise<Snapshot> {
  const manifest = await readManifest(root, id);
  const objects = new Map<Digest, Uint8Array>(); // groups with equal files share their memory
  for (const { digest, bytes } of Object.values(manifest.files)) {
    if (objects.has(digest)) continue;
    const found = await readObject(root, digest, bytes);
    if (found.type === "Missing") return fail({ ...found, type: "SnapshotMissing", id });
    if (found.type === "Damaged") return fail({ ...found, type: "SnapshotDamaged", id });
    if (found.type === "Newer") return fail({ ...found, type: "NewerSnapshot", id });
    objects.set(digest, found.bytes);
  }
  const files = Object.entries(manifest.files)
    .map(([group, { digest }]) => [group, objects.get(digest)!] as const);
  const snapshot = snapshotOfFiles(manifest, new Map(files));
  if (E.isRight(snapshot)) return snapshot.right;
  const place = `${root}/${objectName(id)}`;
  return fail({ type: "SnapshotDamaged", id, place, reason: snapshot.left });
}

/** The manifest; undefined where it is missing or damaged, which is told elsewhere. */
async function manifestIfReadable(
  root: string,
  id: SnapshotId,
): Promise<SnapshotManifest | undefined> {
  const manifest = await attempt<SnapshotError, SnapshotManifest>(() => readManifest(root, id))();
  return E.isRight(manifest) ? manifest.right : undefined;
}

function requireRunId(run: RunId): void {
  if (E.isLeft(parseRunId(run))) throw new TypeError(`Expected a run id, found "${run}"`);
}

function guardedStore<A>(
  action: string,
  place: string,
  work: () => Promise<A>,
): TaskEither<SnapshotError, A> {
  return guarded((reason) => unavailable(action, place, reason), work);
}

function unavailable(action: string, place: string, reason: string): SnapshotError {
  return { type: "SnapshotsUnavailable", action, place, reason };
}
