import { dirname } from "node:path";
import { isForbidden } from "./durable_file.ts";

/**
 * What is in a directory; nothing where there is no directory.
 *
 * Fails where a link on the way to it leads nowhere: what it leads to may only be away for now, such
 * as a disk that is not mounted, and nobody can tell what is in there.
 */
export async function entriesIn(path: string): Promise<readonly Deno.DirEntry[]> {
  try {
    return await Array.fromAsync(Deno.readDir(path));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const link = await linkToNowhere(path);
  if (link === undefined) return [];
  throw new Deno.errors.NotADirectory(
    `expected a directory, found a link that leads nowhere: ${link}; ` +
      "bring back what it leads to, or remove it if it is not needed",
  );
}

/** The link that hides what is at `path`, which is not there; undefined where there is none. */
async function linkToNowhere(path: string): Promise<string | undefined> {
  try {
    const { isSymlink } = await Deno.lstat(path);
    return isSymlink && !await leadsSomewhere(path) ? path : undefined;
  } catch (error) {
    if (isForbidden(error)) return undefined; // above the store
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const above = dirname(path);
  return above === path ? undefined : await linkToNowhere(above);
}

async function leadsSomewhere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
