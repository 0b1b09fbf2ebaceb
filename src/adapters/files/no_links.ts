/**
 * Fails where a component of `path`, which is relative to `root`, is a symbolic link: what is written
 * below a link lands outside of the store. `root` itself may be one.
 *
 * Throws the error that the operating system has for this (ELOOP of O_NOFOLLOW), so that `guarded`
 * makes of it what it makes of any other refusal. What does not exist yet is no link.
 */
export async function refuseLinks(root: string, path: string): Promise<void> {
  let place = root;
  for (const component of path.split("/")) {
    place = `${place}/${component}`;
    if (await isLink(place)) {
      throw new Deno.errors.FilesystemLoop(
        `expected no symbolic link in the store, found one: ${place}`,
      );
    }
  }
}

async function isLink(path: string): Promise<boolean> {
  try {
    return (await Deno.lstat(path)).isSymlink;
  } catch (error) {
    const { NotFound, NotADirectory } = Deno.errors; // the second: a file stands above it
    if (error instanceof NotFound || error instanceof NotADirectory) return false;
    throw error;
  }
}
