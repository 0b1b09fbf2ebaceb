import { makeDirectory } from "../files/durable_file.ts";
import { refuseLinks } from "../files/no_links.ts";

const NAME = "objects/lock";

/** Milliseconds for which whoever wants the lock alone waits, and between two attempts. */
const PATIENCE = 30_000;
const PAUSE = 20;

/**
 * Takes the lock of a store's objects, as soon as it is free, and gives what gives it back.
 *
 * Those who store objects share it; who collects them has it alone, and gives up after half a minute:
 * it can wait, and must not keep a process for ever that a stopped one holds up. The operating system
 * takes the lock back when the process ends, however it ends.
 */
export async function lockObjects(root: string, how: "shared" | "alone"): Promise<() => void> {
  await refuseLinks(root, NAME);
  await makeDirectory(root);
  await makeDirectory(`${root}/objects`);
  const path = `${root}/${NAME}`;
  const file = await Deno.open(path, { create: true, read: true, write: true });
  try {
    if (how === "alone") await lockPatiently(file);
    else await file.lock(false);
    if (await isAt(file, path)) return releaser(file);
  } catch (error) {
    file.close();
    throw error;
  }
  file.close(); // someone removed the file in between: a lock on it keeps nobody away
  return await lockObjects(root, how);
}

async function lockPatiently(file: Deno.FsFile): Promise<void> {
  for (let waited = 0; !await file.tryLock(true); waited += PAUSE) {
    if (waited >= PATIENCE) {
      throw new Deno.errors.WouldBlock(
        `someone has been storing objects for ${PATIENCE / 1000} seconds; try again later`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

async function isAt(file: Deno.FsFile, path: string): Promise<boolean> {
  try {
    const [held, named] = [await file.stat(), await Deno.stat(path)];
    return held.ino === named.ino && held.dev === named.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Closing the file gives the lock back; doing so twice changes nothing. */
function releaser(file: Deno.FsFile): () => void {
  let held = true;
  return () => {
    if (held) file.close();
    held = false;
  };
}
