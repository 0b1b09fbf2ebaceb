import { dirname } from "node:path";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { isCodePath } from "../../core/code_manifest.ts";
import type { SourceError } from "../../ports/source_store.ts";
import { entriesIn } from "./directory_entries.ts";
import { guarded } from "./system_error.ts";

/**
 * Writes files below a directory that is empty, or not there yet: nothing of anyone's is overwritten, and
 * where one cannot be written, none is left. Paths are relative, with forward slashes, and lead nowhere but
 * below. Fails with SourcesUnavailable.
 *
 * @throws TypeError for another path: nothing is written then.
 */
export function writeFiles(
  directory: string,
  files: ReadonlyMap<string, Uint8Array>,
): TaskEither<SourceError, void> {
  const unavailable = (reason: string): SourceError => (
    { type: "SourcesUnavailable", action: "write the files", place: directory, reason }
  );
  return guarded(unavailable, async () => {
    for (const path of files.keys()) {
      if (!isCodePath(path)) {
        throw new TypeError(`Expected a path below a directory, found "${path}"`);
      }
    }
    const isNew = await makeIfAbsent(directory);
    const [first] = await entriesIn(directory);
    if (first !== undefined) {
      throw new Deno.errors.AlreadyExists(
        `expected an empty directory, found "${first.name}" in it`,
      );
    }
    try {
      for (const [path, bytes] of files) {
        await Deno.mkdir(dirname(`${directory}/${path}`), { recursive: true });
        await Deno.writeFile(`${directory}/${path}`, bytes, { createNew: true });
      }
    } catch (error) {
      const begun = new Set([...files.keys()].map((path) => `${directory}/${path.split("/")[0]}`));
      for (const place of isNew ? [directory] : begun) {
        await Deno.remove(place, { recursive: true }).catch(() => undefined); // the cause is `error`
      }
      throw error;
    }
  });
}

/** Makes a directory and those above it; whether it was not there. */
async function makeIfAbsent(directory: string): Promise<boolean> {
  const before = await Deno.stat(directory).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  await Deno.mkdir(directory, { recursive: true });
  return before === undefined;
}
