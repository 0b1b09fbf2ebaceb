import { dirname } from "node:path";
import { makeDirectory, syncDirectory } from "./durable_file.ts";
import { makeWay } from "./make_way.ts";
import { refuseLinks } from "./no_links.ts";

/** A file that is being written, under a name that is nobody's until it gets its own. */
export interface TemporaryFile {
  readonly file: Deno.FsFile;
  /** Makes the bytes durable, and then gives them their name, for good. `path` is below the root. */
  readonly publish: (path: string) => Promise<void>;
  /** Takes the file away again, unless it has been published. */
  readonly discard: () => Promise<void>;
}

/** How the names begin of files that a crash has left behind. */
export const TEMPORARY = ".tmp-";

/** Begins a file that is never changed again, in `objects/` of a store. */
export async function temporaryFile(root: string): Promise<TemporaryFile> {
  const path = `${root}/objects/${TEMPORARY}${crypto.randomUUID()}`;
  const file = await Deno.open(path, { createNew: true, write: true, mode: 0o444 });
  let open = true;
  const close = () => {
    if (open) file.close();
    open = false;
  };
  return {
    file,
    publish: async (name) => {
      const target = `${root}/${name}`;
      await file.sync();
      close();
      await refuseLinks(root, dirname(name));
      await makeWay(dirname(target), "isDirectory");
      await makeDirectory(dirname(target));
      await makeWay(target, "isFile");
      await Deno.rename(path, target);
      await syncDirectory(dirname(target));
    },
    discard: async () => {
      close();
      await Deno.remove(path).catch(() => undefined); // it has been published, or cannot be helped
    },
  };
}
