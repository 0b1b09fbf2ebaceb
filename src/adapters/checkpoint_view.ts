import { sha256 } from "../codec/digest.ts";
import type { Digest } from "../core/digest.ts";
import type { RunId } from "../core/run_id.ts";
import type { SnapshotId, SnapshotManifest } from "../core/snapshot.ts";
import type { ShownSnapshot } from "../ports/snapshot_store.ts";
import { entriesIn } from "./directory_entries.ts";
import { makeDirectory } from "./durable_file.ts";
import { MANIFEST_SIZE } from "./manifest_file.ts";
import { refuseLinks } from "./no_links.ts";
import { objectName } from "./object_file.ts";
import { readRegular } from "./regular_file.ts";
import { isSystemError } from "./system_error.ts";

/** The name under which people find the checkpoint of a step: "step-000050". */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(6, "0")}`;
}

/** Where a run's checkpoint of a step is shown, below the root. */
export function checkpointPlace(run: RunId, step: number): string {
  return `${run}/checkpoints/${checkpointName(step)}`;
}

/**
 * Shows a snapshot to people and other tools: hard links to its manifest and to those of its files that
 * are kept plain, so that nothing is stored twice.
 */
export async function showCheckpoint(
  root: string,
  run: RunId,
  id: SnapshotId,
  { step, files }: SnapshotManifest,
): Promise<void> {
  await hideCheckpoint(root, run, step);
  const directory = `${root}/${checkpointPlace(run, step)}`;
  await makeDirectory(directory);
  for (const [group, { digest }] of Object.entries(files)) {
    await link(`${root}/${objectName(digest)}`, `${directory}/${group}.safetensors`);
  }
  await link(`${root}/${objectName(id)}`, `${directory}/manifest.json`);
}

/** Takes a checkpoint out of the view of its run; what else is in its directory stays. */
export async function hideCheckpoint(root: string, run: RunId, step: number): Promise<void> {
  const place = checkpointPlace(run, step);
  await refuseLinks(root, place);
  const entries = await entriesIn(`${root}/${place}`);
  const ours = entries.filter(({ name, isDirectory }) =>
    !isDirectory && /^manifest\.json$|\.safetensors$/.test(name)
  );
  for (const { name } of ours) await Deno.remove(`${root}/${place}/${name}`);
  if (entries.length > 0 && ours.length === entries.length) await Deno.remove(`${root}/${place}`);
}

/** The checkpoints that the view of a run shows, by step. One without a manifest shows none. */
export async function shownCheckpoints(
  root: string,
  run: RunId,
): Promise<readonly ShownSnapshot[]> {
  const shown: ShownSnapshot[] = [];
  for (const { name, isDirectory } of await entriesIn(`${root}/${run}/checkpoints`)) {
    const [, step] = /^step-([0-9]{6,15})$/.exec(name) ?? [];
    if (!isDirectory || step === undefined) continue;
    const place = `${run}/checkpoints/${name}`;
    const manifest = await readRegular(`${root}/${place}/manifest.json`, MANIFEST_SIZE);
    if (manifest.type !== "Content") continue;
    shown.push({ step: Number(step), snapshot: sha256(manifest.bytes), place });
  }
  return shown.sort((a, b) => a.step - b.step);
}

/** Where the view of a checkpoint has other bytes than the objects that it shows. */
export async function flawsOfView(
  root: string,
  run: RunId,
  id: SnapshotId,
  { step, files }: SnapshotManifest,
): Promise<readonly string[]> {
  const place = checkpointPlace(run, step);
  const shown = [
    ["manifest.json", id] as const,
    ...Object.entries(files).map(([group, { digest }]) =>
      [`${group}.safetensors`, digest] as const
    ),
  ];
  const flaws: string[] = [];
  for (const [name, digest] of shown) {
    const path = `${root}/${place}/${name}`;
    if (await shows(path, `${root}/${objectName(digest)}`, digest)) continue;
    flaws.push(`${place}/${name}: expected the bytes of ${digest.slice(0, 12)}, found others`);
  }
  return flaws;
}

/** A link to the object has its bytes; a copy is read. */
async function shows(path: string, object: string, digest: Digest): Promise<boolean> {
  const file = await statIfThere(path);
  if (file === undefined) return true;
  const linked = await statIfThere(object);
  if (linked !== undefined && file.ino === linked.ino && file.dev === linked.dev) return true;
  const content = await readRegular(path, { least: 0, most: Infinity });
  return content.type === "Content" && sha256(content.bytes) === digest;
}

async function statIfThere(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function link(object: string, path: string): Promise<void> {
  try {
    await Deno.link(object, path);
  } catch (error) {
    // Kept compressed, or a file system without hard links: there is no view; the objects count.
    if (!isSystemError(error)) throw error;
  }
}
