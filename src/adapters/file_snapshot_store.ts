import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { sha256 } from "../codec/digest.ts";
import { decodeManifest } from "../codec/manifest_codec.ts";
import { type PackedSnapshot, packSnapshot, unpackSnapshot } from "../codec/snapshot_codec.ts";
import { type Digest, isDigest } from "../core/digest.ts";
import { parseRunId, type RunId } from "../core/run_id.ts";
import type { Snapshot, SnapshotId, SnapshotManifest } from "../core/snapshot.ts";
import { fail } from "../ports/attempt.ts";
import type { SnapshotError, SnapshotStore, StoredSnapshot } from "../ports/snapshot_store.ts";
import { makeDirectory, writeOnce } from "./durable_file.ts";
import { entriesIn } from "./directory_entries.ts";
import { guarded, isSystemError } from "./system_error.ts";

const OPENING_BRACE = 0x7b;

/**
 * Snapshots in files, in the layout of docs/format.md: content-addressed objects that all runs of
 * `root` share, and for each run a view of them under `checkpoints/step-N/`.
 */
export function fileSnapshotStore(root: string): SnapshotStore {
  return {
    put: (run, snapshot) =>
      guardedStore("store the snapshot", root, () => put(root, run, packSnapshot(snapshot))),
    manifest: (id) => guardedStore("read the manifest", root, () => readManifest(root, id)),
    get: (id) => guardedStore("read the snapshot", root, () => get(root, id)),
    list: () => guardedStore("list the snapshots", root, () => list(root)),
  };
}

async function put(root: string, run: RunId, packed: PackedSnapshot): Promise<StoredSnapshot> {
  const { id, manifest, manifestBytes, files } = packed;
  for (const [group, bytes] of files) {
    await putObject(root, manifest.files[group]!.digest, bytes);
  }
  await putObject(root, id, manifestBytes);
  await linkCheckpoint(root, run, id, manifest);
  return { id, manifest };
}

/** An object that is there already is written again only if it is damaged. */
async function putObject(root: string, digest: Digest, bytes: Uint8Array): Promise<void> {
  const path = objectPath(root, digest);
  const before = await readIfThere(path);
  if (before === undefined || sha256(before) !== digest) await writeOnce(path, bytes);
}

/** Shows a snapshot to people and other tools: hard links to objects, so nothing is stored twice. */
async function linkCheckpoint(
  root: string,
  run: RunId,
  id: SnapshotId,
  manifest: SnapshotManifest,
): Promise<void> {
  if (E.isLeft(parseRunId(run))) throw new TypeError(`Expected a run id, found "${run}"`);
  const directory = `${root}/${run}/checkpoints/${checkpointName(manifest.step)}`;
  await makeDirectory(directory);
  const links = Object.entries(manifest.files).map(([group, { digest }]) =>
    [`${group}.safetensors`, digest] as const
  );
  for (const [name, digest] of [...links, ["manifest.json", id] as const]) {
    await link(objectPath(root, digest), `${directory}/${name}`);
  }
}

/** The name under which people find the checkpoint of a step: "step-000050". */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(6, "0")}`;
}

async function link(object: string, path: string): Promise<void> {
  await Deno.remove(path).catch(() => undefined);
  try {
    await Deno.link(object, path);
  } catch (error) {
    // A file system without hard links has no view; the objects are what counts.
    if (!isSystemError(error) || error instanceof Deno.errors.NotFound) throw error;
  }
}

async function readManifest(root: string, id: SnapshotId): Promise<SnapshotManifest> {
  const path = objectPath(root, id);
  const bytes = await readIfThere(path);
  if (bytes === undefined) return fail({ type: "SnapshotMissing", id, place: path });
  const actual = sha256(bytes);
  if (actual !== id) return damaged(id, path, `its digest is ${actual.slice(0, 12)}`);
  const manifest = decodeManifest(bytes);
  if (E.isRight(manifest)) return manifest.right;
  const error = manifest.left;
  if (error.type === "Damaged") return damaged(id, path, error.reason);
  return fail({ type: "NewerSnapshot", id, found: error.found, known: error.known });
}

async function get(root: string, id: SnapshotId): Promise<Snapshot> {
  const manifest = await readManifest(root, id);
  const files = new Map<string, Uint8Array>();
  for (const [group, { digest }] of Object.entries(manifest.files)) {
    const path = objectPath(root, digest);
    const bytes = await readIfThere(path);
    if (bytes === undefined) return fail({ type: "SnapshotMissing", id, place: path });
    if (sha256(bytes) !== digest) return damaged(id, path, "its digest is another");
    files.set(group, bytes);
  }
  const snapshot = unpackSnapshot(manifest, files);
  return E.isRight(snapshot) ? snapshot.right : damaged(id, objectPath(root, id), snapshot.left);
}

/** Objects that begin with `{` are manifests: a safetensors file begins with a multiple of 8. */
async function list(root: string): Promise<readonly SnapshotId[]> {
  const ids: SnapshotId[] = [];
  for (const { name, isDirectory } of await entriesIn(`${root}/objects`)) {
    if (!isDirectory) continue;
    for (const { name: digest } of await entriesIn(`${root}/objects/${name}`)) {
      if (isDigest(digest) && await isManifest(root, digest)) ids.push(digest);
    }
  }
  return ids.sort();
}

async function isManifest(root: string, digest: Digest): Promise<boolean> {
  const path = objectPath(root, digest);
  using file = await Deno.open(path);
  const first = new Uint8Array(1);
  if (await file.read(first) === null || first[0] !== OPENING_BRACE) return false;
  const bytes = await Deno.readFile(path);
  return sha256(bytes) === digest && E.isRight(decodeManifest(bytes));
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function objectPath(root: string, digest: Digest): string {
  if (!isDigest(digest)) throw new TypeError(`Expected a SHA-256 digest, found "${digest}"`);
  return `${root}/objects/${digest.slice(0, 2)}/${digest}`;
}

function damaged(id: SnapshotId, place: string, reason: string): never {
  return fail({ type: "SnapshotDamaged", id, place, reason });
}

function guardedStore<A>(
  action: string,
  place: string,
  work: () => Promise<A>,
): TaskEither<SnapshotError, A> {
  return guarded((reason) => ({ type: "SnapshotsUnavailable", action, place, reason }), work);
}
