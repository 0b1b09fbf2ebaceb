import { dirname } from "node:path";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { isCodePath } from "../../core/code_manifest.ts";
import type { SourceError } from "../../ports/source_store.ts";
import { writeAll } from "./durable_file.ts";
import { newDirectory } from "./new_directory.ts";
import { guarded } from "./system_error.ts";

/**
 * Writes files below a directory that is empty, or not there yet, as a whole or not at all: nothing of
 * anyone's is overwritten. Paths are relative, with forward slashes, and lead nowhere but below. Fails with
 * SourcesUnavailable.
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
    await newDirectory(directory, async (temporary) => {
      for (const [path, bytes] of files) {
        await Deno.mkdir(dirname(`${temporary}/${path}`), { recursive: true });
        using file = await Deno.open(`${temporary}/${path}`, { createNew: true, write: true });
        await writeAll(file, bytes);
        await file.sync();
      }
    });
  });
}
