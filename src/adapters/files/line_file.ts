import { dirname } from "node:path";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { fail } from "../../ports/attempt.ts";
import type { LineFile, LineFileError } from "../../ports/line_file.ts";
import { makeDirectory, syncDirectory, writeAll } from "./durable_file.ts";
import { refuseLinks } from "./no_links.ts";
import { guarded } from "./system_error.ts";
import { TEMPORARY } from "./temporary_file.ts";

/**
 * Begins a file of lines under a temporary name beside its own. In a store, whose root is given, `path` is
 * relative to it and must not lead over a link. Whoever begins it publishes or discards it.
 *
 * The first line tells files apart that are of other things: where another file is in its place, `write`
 * fails with FileExists at once, before anything is computed in vain.
 */
export function lineFile(path: string, root?: string): TaskEither<LineFileError, LineFile> {
  const place = root === undefined ? path : `${root}/${path}`;
  const directory = dirname(place);
  const temporary = `${directory}/${TEMPORARY}${crypto.randomUUID()}`;
  return guarded(unavailable("begin a file", directory), async () => {
    if (root !== undefined) await refuseLinks(root, path);
    await makeDirectory(directory);
    const file = await Deno.open(temporary, { createNew: true, write: true });
    return openedLines(file, temporary, place);
  });
}

function openedLines(file: Deno.FsFile, temporary: string, place: string): LineFile {
  let open = true;
  let first = true;
  const close = () => {
    if (open) file.close();
    open = false;
  };

  function write(line: string): TaskEither<LineFileError, void> {
    return guarded(unavailable("write a line", place), async () => {
      const bytes = new TextEncoder().encode(`${line}\n`);
      if (first && await differs(place, bytes, "begins")) refuse(place);
      first = false;
      await writeAll(file, bytes);
    });
  }

  function publish(): TaskEither<LineFileError, void> {
    return guarded(unavailable("write the file", place), async () => {
      await file.sync();
      close();
      if (await isThere(place)) {
        if (await differs(place, await Deno.readFile(temporary), "is")) refuse(place);
        return;
      }
      await Deno.rename(temporary, place);
      await syncDirectory(dirname(place));
    });
  }

  async function discard(): Promise<void> {
    close();
    await Deno.remove(temporary).catch(() => undefined); // it has been published, or cannot be helped
  }

  return { write, publish, discard };
}

/** Whether there is a file that does not begin with these bytes, or has others. */
async function differs(
  place: string,
  bytes: Uint8Array,
  how: "begins" | "is",
): Promise<boolean> {
  if (!await isThere(place)) return false;
  using file = await Deno.open(place);
  if (how === "is" && (await file.stat()).size !== bytes.length) return true;
  const found = new Uint8Array(bytes.length);
  for (let read = 0; read < found.length;) {
    const count = await file.read(found.subarray(read));
    if (count === null) return true;
    read += count;
  }
  return found.some((byte, i) => byte !== bytes[i]);
}

async function isThere(place: string): Promise<boolean> {
  try {
    await Deno.lstat(place);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function refuse(place: string): never {
  return fail({ type: "FileExists", place } satisfies LineFileError);
}

function unavailable(action: string, place: string): (reason: string) => LineFileError {
  return (reason) => ({ type: "FileUnavailable", action, place, reason });
}
