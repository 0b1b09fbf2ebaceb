import { dirname } from "node:path";
import { pathToFileURL } from "node:url";

/** Files in a directory of their own, which is removed in the end. */
export interface FileTree extends AsyncDisposable {
  readonly path: string;
  /** The `file:` URL of one of them. */
  readonly url: (name: string) => string;
}

/** Writes files by their paths relative to the directory. */
export async function fileTree(files: Readonly<Record<string, string>>): Promise<FileTree> {
  const path = await Deno.realPath(await Deno.makeTempDir());
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(`${path}/${name}`), { recursive: true });
    await Deno.writeTextFile(`${path}/${name}`, text);
  }
  return {
    path,
    url: (name) => pathToFileURL(`${path}/${name}`).href,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}
