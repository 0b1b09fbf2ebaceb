import { dirname } from "node:path";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { fail } from "../../ports/attempt.ts";
import type { LineFileError } from "../../ports/line_file.ts";
import { makeDirectory, syncDirectory, writeAll } from "./durable_file.ts";
import { guarded } from "./system_error.ts";
import { TEMPORARY } from "./temporary_file.ts";

/**
 * Writes a file that is not there yet, as a whole or not at all: it gets its name when its bytes are durable.
 * Fails with FileExists where the name is taken, and with FileUnavailable.
 */
export function writeNewFile(path: string, bytes: Uint8Array): TaskEither<LineFileError, void> {
  const unavailable = (reason: string): LineFileError => (
    { type: "FileUnavailable", action: "write the file", place: path, reason }
  );
  return guarded(unavailable, async () => {
    const directory = dirname(path);
    await makeDirectory(directory);
    const temporary = `${directory}/${TEMPORARY}${crypto.randomUUID()}`;
    try {
      using file = await Deno.open(temporary, { createNew: true, write: true });
      await writeAll(file, bytes);
      await file.sync();
      if (await isThere(path)) fail({ type: "FileExists", place: path } satisfies LineFileError);
      await Deno.rename(temporary, path);
    } catch (error) {
      await Deno.remove(temporary).catch(() => undefined); // the cause is `error`
      throw error;
    }
    await syncDirectory(directory);
  });
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
