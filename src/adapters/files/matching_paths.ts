import { basename, dirname, join } from "node:path";
import { nearest } from "../../core/nearest.ts";
import { isForbidden } from "./durable_file.ts";

/**
 * The paths that a pattern matches, sorted by UTF-16 code units: `*` stands for any characters and `?` for
 * one, of one component of the path, and neither for the dot that a name begins with. A pattern without
 * them matches the path that it is, if that is there.
 *
 * @throws {RangeError} where there is none: it says what there is under names that come near
 */
export async function matchingPaths(pattern: string): Promise<readonly string[]> {
  const found = await matches(pattern);
  if (found.length > 0) return [...found].sort(byCodeUnits);
  const directory = dirname(pattern);
  const there = await namesIn(directory);
  if (there === undefined) {
    throw new RangeError(`Expected files that match ${pattern}, found no directory ${directory}`);
  }
  const near = nearest(basename(pattern), there, 5);
  const shown = near.length > 0 ? near : [...there].sort(byCodeUnits).slice(0, 5);
  const have = there.length === 0 ? "is empty" : `has ${shown.join(", ")}` +
    (there.length > shown.length ? ` and ${there.length - shown.length} more` : "");
  throw new RangeError(`Expected files that match ${pattern}, found none: ${directory} ${have}`);
}

/** Every path that a pattern matches, component by component. */
async function matches(pattern: string): Promise<readonly string[]> {
  if (!/[*?]/.test(pattern)) return await isThere(pattern) ? [pattern] : [];
  const above = dirname(pattern);
  const name = basename(pattern);
  const directories = /[*?]/.test(above) ? await matches(above) : [above];
  const found = await Promise.all(directories.map(async (directory) => {
    const names = await namesIn(directory) ?? [];
    const wanted = /[*?]/.test(name)
      ? names.filter((other) => expressionOf(name).test(other))
      : names.filter((other) => other === name);
    return wanted.map((other) => pathIn(pattern, directory, other));
  }));
  return found.flat();
}

/** Written as the pattern is: a relative one without a directory stays so. */
function pathIn(pattern: string, directory: string, name: string): string {
  return directory === "." && !pattern.startsWith("./") ? name : join(directory, name);
}

function expressionOf(pattern: string): RegExp {
  const letters = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  const hidden = pattern.startsWith(".") ? "" : "(?!\\.)";
  return new RegExp(`^${hidden}${letters.replaceAll("*", ".*").replaceAll("?", ".")}$`, "su");
}

/** The names in a directory; undefined where there is none that can be looked at. */
async function namesIn(directory: string): Promise<readonly string[] | undefined> {
  try {
    return (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name);
  } catch (error) {
    const { NotFound, NotADirectory } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory || isForbidden(error)) {
      return undefined;
    }
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    const { NotFound, NotADirectory } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) return false;
    throw error;
  }
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
