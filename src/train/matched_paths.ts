import { type LeafPattern, matchesPath } from "./leaf_pattern.ts";
import { leavesOf, type Tree } from "./tree.ts";

/**
 * The paths of the leaves that any of the patterns means. `what` is what messages call a pattern.
 *
 * @throws {TypeError} where there is no pattern, and where one matches no leaf, which it names: a slip in
 * it would otherwise go unnoticed
 */
export function matchedPaths(
  what: string,
  patterns: readonly LeafPattern[],
  tree: Tree,
): ReadonlySet<string> {
  if (patterns.length === 0) throw new TypeError(`Expected at least one ${what}, found none`);
  const paths = leavesOf(tree).map(([path]) => path);
  const matches = patterns.map((pattern) => paths.filter((path) => matchesPath(pattern, path)));
  const unused = patterns.find((_, index) => matches[index]!.length === 0);
  if (unused === undefined) return new Set(matches.flat());
  throw new TypeError(
    `Expected every ${what} to match a parameter, found none for ${unused} ` +
      `among ${paths.join(", ")}`,
  );
}
