import { dirname } from "node:path";

/** Writes all of `bytes`: a single write may be short. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await file.write(bytes.subarray(written));
  }
}

/** Makes a directory's entries durable: a synced file can vanish with its name otherwise. */
export async function syncDirectory(path: string): Promise<void> {
  if (Deno.build.os === "windows") return; // Windows cannot open a directory, and does not need to.
  using directory = await Deno.open(path);
  await directory.sync();
}

/** Directories whose names this process has made durable. */
const durable = new Set<string>();

/**
 * Makes a directory and the missing ones above it, each durable in the one above.
 *
 * One that is there already may be the work of a process that died before it was durable: the first
 * time that this process comes upon it, it is made so.
 */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await makeInDirectory(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await makeDirectory(dirname(path));
    await makeInDirectory(path);
  }
}

async function makeInDirectory(path: string): Promise<void> {
  try {
    await Deno.mkdir(path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return await confirmDirectory(path);
    throw error;
  }
  await syncDirectory(dirname(path));
  durable.add(path);
}

async function confirmDirectory(path: string): Promise<void> {
  if (durable.has(path)) return;
  try {
    await syncDirectory(dirname(path));
  } catch (error) {
    if (!isForbidden(error)) throw error; // above the store, where others made what there is
  }
  durable.add(path);
}

/** Whether a place is none that this process may look at. */
export function isForbidden(error: unknown): boolean {
  return error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied;
}

/** Makes the name of a file durable that is there already: who gave it may have died before it was. */
export async function confirmName(path: string): Promise<void> {
  await confirmDirectory(dirname(path));
  await syncDirectory(dirname(path));
}
