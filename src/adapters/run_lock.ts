import { writeAll } from "./durable_file.ts";

/** A lease that the operating system takes back when its process ends, however it ends. */
export interface RunLock {
  readonly release: () => void;
}

/**
 * Takes the exclusive lock of the file at `path`, which is made where it is missing.
 *
 * @returns who holds it, as text, where someone else does.
 */
export async function takeLock(path: string, since: string): Promise<RunLock | string> {
  const file = await Deno.open(path, { create: true, read: true, write: true });
  if (!await file.tryLock(true)) {
    file.close();
    const holder = (await Deno.readTextFile(path)).trim();
    return holder === "" ? "a process that has not said who it is" : holder;
  }
  const [locked, named] = [await file.stat(), await Deno.stat(path)];
  if (locked.ino !== named.ino) { // the run was archived between the opening and the lock
    file.close();
    return await takeLock(path, since);
  }
  await file.truncate();
  await writeAll(file, new TextEncoder().encode(`process ${Deno.pid} since ${since}\n`));
  return { release: () => file.close() };
}
