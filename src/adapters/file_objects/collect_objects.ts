import type { Digest } from "../../core/digest.ts";
import type { SnapshotId } from "../../core/snapshot.ts";
import { fail } from "../../ports/attempt.ts";
import type { Collected, LiveObjects } from "../../ports/snapshot_store.ts";
import { entriesIn } from "../files/directory_entries.ts";
import { syncDirectory } from "../files/durable_file.ts";
import { looksLikeManifest, manifestIfThere } from "./manifest_file.ts";
import { digestOfName, readHeader } from "./object_file.ts";
import { TEMPORARY } from "../files/temporary_file.ts";

/**
 * Removes the objects that are not in `live` and that no snapshot of it needs, and what crashes left behind, from a store
 * whose lock is held alone; counts them only where `dryRun` is set.
 *
 * Fails, and removes nothing, where it cannot know what a live snapshot needs: docs/format.md,
 * "Collecting".
 */
export async function collectObjects(
  root: string,
  live: LiveObjects,
  dryRun: boolean,
): Promise<Collected> {
  const needed = await neededBy(root, live);
  const dead = await filesBesides(root, needed);
  if (!dryRun) await removeAll(dead);
  return { objects: dead.length, bytes: dead.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** A file that nobody needs. */
interface DeadFile {
  readonly directory: string;
  readonly name: string;
  readonly bytes: number;
}

async function neededBy(root: string, live: LiveObjects): Promise<Set<Digest>> {
  const needed = new Set<Digest>(live.sources);
  for (const id of live.snapshots) {
    needed.add(id);
    const manifest = await manifestIfThere(root, id);
    for (const { digest } of Object.values(manifest?.files ?? {})) {
      await addWithBases(root, id, digest, needed);
    }
  }
  return needed;
}

/** An object whose chain was followed already is not followed again. */
async function addWithBases(
  root: string,
  id: SnapshotId,
  digest: Digest,
  needed: Set<Digest>,
): Promise<void> {
  for (let next: Digest | undefined = digest; next !== undefined && !needed.has(next);) {
    needed.add(next);
    const found = await readHeader(root, next);
    if (found.type === "Damaged") return fail({ ...found, type: "SnapshotDamaged", id });
    if (found.type === "Newer") return fail({ ...found, type: "NewerSnapshot", id });
    next = found.type === "Header" ? found.header.base : undefined;
  }
}

/** Files with names of objects that are not needed, and temporary ones; others are nobody's business. */
async function filesBesides(root: string, needed: ReadonlySet<Digest>): Promise<DeadFile[]> {
  const dead: DeadFile[] = [];
  const objects = `${root}/objects`;
  const directories = (await entriesIn(objects))
    .filter(({ name, isDirectory }) => isDirectory && /^[0-9a-f]{2}$/.test(name))
    .map(({ name }) => `${objects}/${name}`);
  for (const directory of [objects, ...directories]) {
    for (const { name, isFile } of await entriesIn(directory)) {
      const digest = digestOfName(name);
      const isObject = digest !== undefined && directory === `${objects}/${digest.slice(0, 2)}`;
      const isDead = isObject ? !needed.has(digest) : name.startsWith(TEMPORARY);
      if (!isFile || !isDead) continue;
      const { size } = await Deno.lstat(`${directory}/${name}`);
      dead.push({ directory, name, bytes: size });
    }
  }
  return dead;
}

/** Manifests go first, and for good: a crash leaves none behind whose files are gone. */
async function removeAll(dead: readonly DeadFile[]): Promise<void> {
  const manifests = new Set<DeadFile>();
  for (const file of dead) {
    if (await looksLikeManifest(pathOf(file))) manifests.add(file);
  }
  for (const file of manifests) await Deno.remove(pathOf(file));
  for (const directory of new Set([...manifests].map(({ directory }) => directory))) {
    await syncDirectory(directory);
  }
  for (const file of dead) if (!manifests.has(file)) await Deno.remove(pathOf(file));
}

function pathOf({ directory, name }: DeadFile): string {
  return `${directory}/${name}`;
}
