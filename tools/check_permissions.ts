/**
 * Checks `deno.json`: no task asks for every permission, every package has one exact version, and
 * every export exists.
 *
 * @module
 */

import {
  exportsOf,
  type Finding,
  lineAt,
  readConfig,
  readTree,
  report,
  type SourceFile,
} from "./support.ts";

/** Checks the `deno.json` of a tree, whose other files need no text. */
export function checkPermissions(files: readonly SourceFile[]): readonly Finding[] {
  const config = readConfig(files);
  const text = files.find(({ path }) => path === "deno.json")?.text ?? "";
  const paths = new Set(files.map(({ path }) => path));

  const tasks = Object.entries(config.tasks ?? {}).flatMap(([name, task]) => {
    const command = typeof task === "string" ? task : task.command ?? "";
    const all = ALL_PERMISSIONS.exec(command)?.[0];
    return all === undefined ? [] : [finding(
      text,
      ["tasks", name],
      `task "${name}" has ${all}, expected only the permissions that it needs: ` +
        "name them one by one, such as --allow-read",
    )];
  });
  const imports = Object.entries(config.imports ?? {}).flatMap(([name, target]) =>
    !PACKAGE.test(target) || PINNED.test(target) ? [] : [finding(
      text,
      ["imports", name],
      `"${name}" is "${target}", expected one exact version: ` +
        "write it as x.y.z, without a range or a sign before it",
    )]
  );
  const exports = Object.entries(exportsOf(config)).flatMap(([name, target]) =>
    paths.has(target.replace(/^\.\//, "")) ? [] : [finding(
      text,
      ["exports", name],
      `export "${name}" is "${target}", expected a file of the tree: ` +
        "write the file, or take the export out",
    )]
  );
  const sets = Object.entries(config.permissions ?? {}).flatMap(([name, set]) =>
    set.all !== true ? [] : [finding(
      text,
      ["permissions", name],
      `permission set "${name}" grants all, expected only the permissions that it needs: ` +
        "name them one by one",
    )]
  );
  return [...tasks, ...sets, ...imports, ...exports].sort((a, b) => a.line - b.line);
}

/** `-A`, alone or among other short flags, and its long names. */
const ALL_PERMISSIONS = /(?<![^\s"'=])(?:-[A-Za-z]*A[A-Za-z]*|--allow-all)(?![\w-])/;

const PACKAGE = /^(?:npm|jsr):/;
const PINNED = /^(?:npm|jsr):\/?(?:@[^/@]+\/)?[^/@]+@\d+\.\d+\.\d+(?:[-+][\w.+-]+)?(?:\/.*)?$/;

/** The line is that of the key in its section, or else that of the section. */
function finding(
  text: string,
  [section, key]: readonly [string, string],
  message: string,
): Finding {
  const start = Math.max(text.indexOf(JSON.stringify(section)), 0);
  const found = text.indexOf(`${JSON.stringify(key)}:`, start);
  return { file: "deno.json", line: lineAt(text, found === -1 ? start : found), message };
}

if (import.meta.main) {
  report("check_permissions", 1, checkPermissions(readTree((path) => path === "deno.json")));
}
