import type { TaskEither } from "fp-ts/TaskEither.js";
import { type CodeIdentity, codeIdentity } from "../../codec/code_identity.ts";
import { isCodePath } from "../../core/code_manifest.ts";
import type { CodeUnreadable } from "../../ports/code_unreadable.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import { moduleGraph } from "./module_graph.ts";

/**
 * Names the code of a training: all files that these modules import, directly or by others, through the
 * nearest deno.json, which belongs to it too, as deno.lock does. Roots are URLs, such as the
 * `import.meta.url` of the module that has the task.
 *
 * Static imports, re-exports and dynamic imports of a literal are followed; imports of types alone are not,
 * nor are modules that a computed name leads to. Packages are listed by their specifiers, and their contents
 * pinned by deno.lock. Two checkouts in two places have the same digest.
 *
 * Fails with CodeUnreadable, which names the file, where one cannot be read or understood.
 *
 * @example
 * ```ts
 * import { codeOf, orThrow } from "foldlog";
 *
 * const { manifest } = await orThrow(codeOf([import.meta.resolve("foldlog")]));
 * if (!("src/core/evolve.ts" in manifest.files)) throw new Error("not all of it");
 * ```
 */
export function codeOf(roots: readonly string[]): TaskEither<CodeUnreadable, CodeIdentity> {
  return attempt<CodeUnreadable, CodeIdentity>(async () => {
    const { files, imports } = await moduleGraph(roots);
    const common = commonDirectory([...files.keys()]);
    const paths = [...files].map(([url, bytes]) => [pathIn(common, url), bytes] as const);
    return codeIdentity(new Map(paths), imports);
  });
}

/** The longest beginning up to a slash that all URLs share. */
function commonDirectory([first = "", ...others]: readonly string[]): string {
  let directory = first.slice(0, first.lastIndexOf("/") + 1);
  while (!others.every((url) => url.startsWith(directory))) {
    directory = directory.slice(0, directory.lastIndexOf("/", directory.length - 2) + 1);
  }
  return directory;
}

function pathIn(directory: string, url: string): string {
  const path = decodeURIComponent(url.slice(directory.length));
  if (isCodePath(path)) return path;
  const reason = "expected a name that any system can have, found one with a backslash or the like";
  return fail({ type: "CodeUnreadable", file: url, reason } satisfies CodeUnreadable);
}
