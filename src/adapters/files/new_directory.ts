import { dirname } from "node:path";
import { makeDirectory, syncDirectory } from "./durable_file.ts";
import { entriesIn } from "./directory_entries.ts";
import { TEMPORARY } from "./temporary_file.ts";

/**
 * Makes a directory as a whole or not at all: `write` fills one under a temporary name beside it, which then
 * gets its name. There may be an empty one already; one that is not is left as it is.
 *
 * Throws AlreadyExists for such a one, before anything is written, and whatever `write` throws.
 */
export async function newDirectory<A>(
  path: string,
  write: (temporary: string) => Promise<A>,
): Promise<A> {
  const place = await realPathOf(path);
  const [first] = await entriesIn(place);
  if (first !== undefined) {
    throw new Deno.errors.AlreadyExists(`expected an empty directory, found "${first.name}" in it`);
  }
  const above = dirname(place.replace(/\/+$/, ""));
  const temporary = `${above}/${TEMPORARY}${crypto.randomUUID()}`;
  await makeDirectory(above);
  await Deno.mkdir(temporary);
  try {
    const result = await write(temporary);
    await syncDirectory(temporary);
    await Deno.rename(temporary, place);
    await syncDirectory(above);
    return result;
  } catch (error) {
    await Deno.remove(temporary, { recursive: true }).catch(() => undefined); // it has its name already
    throw error;
  }
}

/** Where a link leads, since a directory cannot take its place; the path itself where nothing is there. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return path;
    throw error;
  }
}
