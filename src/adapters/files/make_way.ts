/** What is at a path; undefined where nothing is. */
export async function statIfThere(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Moves aside what stands at a path where a file, or a directory, of the store belongs, and is none:
 * under the same name with `.aside`, so that nothing of anyone's is lost. Links are left: they may lead
 * to what was meant.
 */
export async function makeWay(path: string, kind: "isFile" | "isDirectory"): Promise<void> {
  const found = await statIfThere(path);
  if (found === undefined || found[kind] || found.isSymlink) return;
  let aside = `${path}.aside`;
  for (let number = 2; await statIfThere(aside) !== undefined; number++) {
    aside = `${path}.aside-${number}`;
  }
  await Deno.rename(path, aside);
}

/** In words, that something else stands where a file or a directory belongs, and what to do. */
export function obstacleInWords(
  name: string,
  expected: "file" | "directory",
  { isFile, isDirectory, isSymlink }: Deno.FileInfo,
): string {
  if (isSymlink) {
    return `${name}: expected a ${expected}, found a symbolic link, to be removed first`;
  }
  const found = isDirectory ? "a directory" : isFile ? "a file" : "something else";
  return `${name}: expected a ${expected}, found ${found}, which a repair moves to ${name}.aside`;
}
