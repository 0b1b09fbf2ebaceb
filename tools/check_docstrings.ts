/**
 * Checks that every export of src/ and mod.ts has a docstring.
 *
 * @module
 */
import { type Finding, readTree, report, type SourceFile } from "./support.ts";

const EXPORT = /^export (?:async )?(?:function|interface|type|const|class) (\w+)/;

/** The exports without a docstring right above them. */
export function checkDocstrings(files: readonly SourceFile[]): readonly Finding[] {
  return files
    .filter(({ path }) => path.startsWith("src/") || path === "mod.ts")
    .flatMap(({ path, text }) => findingsOf(path, text.split("\n")));
}

function findingsOf(path: string, lines: readonly string[]): readonly Finding[] {
  return lines.flatMap((line, index) => {
    const name = EXPORT.exec(line)?.[1];
    if (name === undefined || lines[index - 1]?.endsWith("*/")) return [];
    const message = `expected a docstring above "${name}", found none: say what it is or does`;
    return [{ file: path, line: index + 1, message }];
  });
}

if (import.meta.main) {
  const files = readTree((path) => path.endsWith(".ts"));
  report("check_docstrings", files.length, checkDocstrings(files));
}
