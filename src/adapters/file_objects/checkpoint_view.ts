import { dirname } from "node:path";
import { sha256 } from "../../codec/digest.ts";
import type { Digest } from "../../core/digest.ts";
import type { RunId } from "../../core/run_id.ts";
import { checkpointName } from "../../core/run_place.ts";
import type { SnapshotId, SnapshotManifest } from "../../core/snapshot.ts";
import type { ShownSnapshot } from "../../ports/snapshot_store.ts";
import { entriesIn } from "../files/directory_entries.ts";
import { makeDirectory } from "../files/durable_file.ts";
import { makeWay, obstacleInWords, statIfThere } from "../files/make_way.ts";
import { MANIFEST_SIZE } from "./manifest_file.ts";
import { refuseLinks } from "../files/no_links.ts";
import { objectName } from "./object_file.ts";
import { readRegular } from "../files/regular_file.ts";
import { showsObject } from "./shows_object.ts";
import { isSystemError } from "../files/system_error.ts";

/** Where a run's checkpoint of a step is shown, below the root. */
export function checkpointPlace(run: RunId, step: number): string {
  return `${run}/checkpoints/${checkpointName(step)}`;
}

/**
 * Shows a snapshot to people and other tools: hard links to its manifest and to those of its files that
 * are kept plain, so that nothing is stored twice. All of them or none: a view is never the truth, and
 * where one cannot be made there is none.
 */
export async function showCheckpoint(
  root: string,
  run: RunId,
  id: SnapshotId,
  { step, files }: SnapshotManifest,
): Promise<void> {
  await hideCheckpoint(root, run, step);
  const directory = `${root}/${checkpointPlace(run, step)}`;
  await makeWay(dirname(directory), "isDirectory");
  await makeWay(directory, "isDirectory");
  await makeDirectory(directory);
  for (const [name, digest] of partsOf(id, files)) {
    await makeWay(`${directory}/${name}`, "isFile");
    if (await link(`${root}/${objectName(digest)}`, `${directory}/${name}`)) continue;
    return await hideCheckpoint(root, run, step);
  }
}

/** Takes a checkpoint out of the view of its run; what else is in its directory stays. */
export async function hideCheckpoint(root: string, run: RunId, step: number): Promise<void> {
  const place = checkpointPlace(run, step);
  await refuseLinks(root, place);
  if (await obstacleTo(root, place) !== undefined) return; // there is no view
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
  const directory = `${root}/${run}/checkpoints`;
  if ((await statIfThere(directory))?.isFile) return [];
  for (const { name, isDirectory } of await entriesIn(directory)) {
    const [, step] = /^step-([0-9]{6,15})$/.exec(name) ?? [];
    if (!isDirectory || step === undefined) continue;
    const place = `${run}/checkpoints/${name}`;
    const manifest = await readRegular(`${root}/${place}/manifest.json`, MANIFEST_SIZE);
    if (manifest.type !== "Content") continue;
    shown.push({ step: Number(step), snapshot: sha256(manifest.bytes), place });
  }
  return shown.sort((a, b) => a.step - b.step);
}

/**
 * Where the view of a checkpoint does not show the objects that it should. One of which nothing is
 * shown is no flaw.
 */
export async function flawsOfView(
  root: string,
  run: RunId,
  id: SnapshotId,
  { step, files }: SnapshotManifest,
): Promise<readonly string[]> {
  const place = checkpointPlace(run, step);
  const obstacle = await obstacleTo(root, place);
  if (obstacle !== undefined) return [obstacle];
  const flaws: string[] = [];
  const missing: string[] = [];
  const parts = partsOf(id, files);
  for (const [name, digest] of parts) {
    const path = `${root}/${place}/${name}`;
    const object = `${root}/${objectName(digest)}`;
    const [file, linked] = [await statIfThere(path), await statIfThere(object)];
    if (file === undefined) missing.push(...linked ? [name] : []); // compressed ones are not shown
    else if (!file.isFile) flaws.push(obstacleInWords(`${place}/${name}`, "file", file));
    else if (!await showsObject(path, file, linked, digest)) {
      flaws.push(`${place}/${name}: expected the bytes of ${digest.slice(0, 12)}, found others`);
    }
  }
  if (missing.length === parts.length) return flaws;
  return [...flaws, ...missing.map((name) => `${place}/${name}: expected a file, found none`)];
}

/** The names of what a view consists of, and the digests of what they show; the manifest comes last. */
function partsOf(
  id: SnapshotId,
  files: SnapshotManifest["files"],
): readonly (readonly [name: string, digest: Digest])[] {
  const groups = Object.entries(files);
  return [
    ...groups.map(([group, { digest }]) => [`${group}.safetensors`, digest] as const),
    ["manifest.json", id],
  ];
}

/** What stands where one of a view's directories belongs, in words; undefined where nothing does. */
async function obstacleTo(root: string, place: string): Promise<string | undefined> {
  for (const directory of [dirname(place), place]) {
    const found = await statIfThere(`${root}/${directory}`);
    if (found === undefined) return undefined;
    if (!found.isDirectory) return obstacleInWords(directory, "directory", found);
  }
  return undefined;
}

/** Links an object into a view; false where that cannot be done. One kept compressed is not shown. */
async function link(object: string, path: string): Promise<boolean> {
  try {
    await Deno.link(object, path);
    return true;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return error instanceof Deno.errors.NotFound;
  }
}
