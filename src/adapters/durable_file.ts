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

/** Makes a directory and the missing ones above it, each durable in the one above. */
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
    if (error instanceof Deno.errors.AlreadyExists) return;
    throw error;
  }
  await syncDirectory(dirname(path));
}
