import { writeAll } from "../files/durable_file.ts";

/** A lease that the operating system takes back when its process ends, however it ends. */
export interface RunLock {
  readonly release: () => void;
}

const LONGEST_HOLDER = 200;

/**
 * Takes the exclusive lock of the file at `path`, which is made where it is missing.
 *
 * @returns who holds it, as text, where someone else does.
 */
export async function takeLock(path: string, since: string): Promise<RunLock | string> {
  const file = await Deno.open(path, { create: true, read: true, write: true });
  let taken = false;
  try {
    if (!await file.tryLock(true)) return await readHolder(file);
    if (await isNamed(file, path)) {
      await file.truncate();
      await writeAll(file, new TextEncoder().encode(`process ${Deno.pid} since ${since}\n`));
      taken = true;
      return { release: () => file.close() };
    }
  } finally {
    if (!taken) file.close();
  }
  return await takeLock(path, since); // the run was archived between the opening and the lock
}

async function isNamed(file: Deno.FsFile, path: string): Promise<boolean> {
  return (await file.stat()).ino === (await Deno.stat(path)).ino;
}

/** The first line of a lock, cut: it is shown to people. */
async function readHolder(file: Deno.FsFile): Promise<string> {
  const bytes = new Uint8Array(LONGEST_HOLDER);
  const count = await file.read(bytes) ?? 0;
  const text = new TextDecoder().decode(bytes.subarray(0, count));
  const holder = text.split("\n")[0]!.replaceAll(/\p{Cc}/gu, "").trim();
  return holder === "" ? "a process that has not said who it is" : holder;
}
