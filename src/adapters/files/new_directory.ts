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
  const [first] = await entriesIn(path);
  if (first !== undefined) {
    throw new Deno.errors.AlreadyExists(`expected an empty directory, found "${first.name}" in it`);
  }
  const above = dirname(path.replace(/\/+$/, ""));
  const temporary = `${above}/${TEMPORARY}${crypto.randomUUID()}`;
  await makeDirectory(above);
  await Deno.mkdir(temporary);
  try {
    const result = await write(temporary);
    await syncDirectory(temporary);
    await Deno.rename(temporary, path);
    await syncDirectory(above);
    return result;
  } catch (error) {
    await Deno.remove(temporary, { recursive: true }).catch(() => undefined); // it has its name already
    throw error;
  }
}
