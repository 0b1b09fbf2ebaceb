/**
 * What the checks share: the files of the tree, the imports in them, `deno.json`, and the report.
 *
 * @module
 */

import { join, posix } from "node:path";
import { blankLiterals, findLiterals } from "./blank_literals.ts";

/** A file by its path from the root of the repository, with `/` on every system. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Something that is not as it should be; the message says what is expected and what to do. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** A reference from one module to another; the specifier is undefined where it is computed. */
export interface Import {
  readonly specifier: string | undefined;
  /** The code between `import` or `export` and `from`: what is imported. */
  readonly clause: string;
  /** Where in the text it is found: at the specifier, or at the comment that holds it. */
  readonly offset: number;
}

/** Where a specifier leads: a file of this tree, a package's module, or nowhere that is allowed. */
export type Target =
  | { readonly type: "file"; readonly path: string }
  | { readonly type: "module"; readonly name: string }
  | { readonly type: "inline" }
  | { readonly type: "unmapped" };

/** The parts of `deno.json` that the checks read. */
export interface DenoConfig {
  readonly name?: string;
  readonly exports?: string | Readonly<Record<string, string>>;
  readonly imports?: Readonly<Record<string, string>>;
  readonly permissions?: Readonly<Record<string, { readonly all?: boolean }>>;
  readonly tasks?: Readonly<Record<string, string | { readonly command?: string }>>;
}

/** Reads the tree, sorted by path. Files for which `needsText` says no come with an empty text. */
export function readTree(needsText: (path: string) => boolean): readonly SourceFile[] {
  const root = join(import.meta.dirname ?? ".", "..");
  return listPaths(root, "").sort().map((path) => ({
    path,
    text: needsText(path) ? Deno.readTextFileSync(join(root, path)) : "",
  }));
}

/** Prints the findings, in the form that editors link, and fails the process when there are any. */
export function report(check: string, files: number, findings: readonly Finding[]): void {
  for (const { file, line, message } of findings) console.error(`${file}:${line}: ${message}`);
  console.log(`${check}: ${files} files, ${findings.length} findings`);
  if (findings.length > 0) Deno.exit(1);
}

/** Gives the line, counted from 1, on which an offset lies. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

/**
 * Reads the `deno.json` that a file of the tree, or the root, belongs to: that of its folder, or of the
 * nearest above that has one. A tree without one has an empty configuration.
 */
export function readConfig(files: readonly SourceFile[], path = "deno.json"): DenoConfig {
  const folders = path.split("/").slice(0, -1);
  const places = folders.map((_, i) => [...folders.slice(0, i + 1), "deno.json"].join("/"));
  const file = ["deno.json", ...places].map((place) => files.find(({ path }) => path === place))
    .findLast((file) => file !== undefined);
  if (file === undefined) return {};
  try {
    return JSON.parse(file.text);
  } catch (cause) {
    throw new Error(`Cannot read ${file.path}: expected JSON without comments`, { cause });
  }
}

/** Whether a path is that of a configuration. */
export function isConfig(path: string): boolean {
  return path === "deno.json" || path.endsWith("/deno.json");
}

/** Lists the export map, also where it is written as a single path. */
export function exportsOf({ exports = {} }: DenoConfig): Readonly<Record<string, string>> {
  return typeof exports === "string" ? { ".": exports } : exports;
}

/**
 * Finds static, dynamic and type imports, re-exports, workers and other modules named by a URL, and
 * the pragmas that name a file of types. What stands in comments and strings is not an import.
 */
export function findImports(text: string): readonly Import[] {
  const code = blankLiterals(text);
  const imports: Import[] = [];

  for (const pattern of IMPORT_PATTERNS) {
    for (const match of code.matchAll(pattern)) {
      const { clause = "", quote } = match.groups ?? {};
      const end = match.index + match[0].length;
      const close = quote ? code.indexOf(quote, end) : -1;
      const literal = close === -1 ? undefined : text.slice(end, close);
      const isUrl = pattern === MODULE_URL;
      if (isUrl && !isModuleUrl(literal, code.slice(close + 1))) continue;
      const specifier = literal?.includes("${") ? undefined : isUrl ? relative(literal) : literal;
      imports.push({ specifier, clause, offset: end });
    }
  }
  for (const { kind, start, end } of findLiterals(text)) {
    const pragma = kind === "comment" ? TYPES_PRAGMA.exec(text.slice(start, end)) : null;
    const specifier = pragma?.groups?.["specifier"];
    if (specifier !== undefined) imports.push({ specifier, clause: "", offset: start });
  }
  return imports.sort((a, b) => a.offset - b.offset);
}

/**
 * Follows a specifier from the file it stands in, through `deno.json`'s imports and exports.
 *
 * A package's module is named without its version, so that an alias is seen through:
 * `fp-ts/TaskEither.js`, mapped to `npm:/fp-ts@2.16.11/lib/`, is `fp-ts/lib/TaskEither.js`.
 */
export function resolveImport(specifier: string, from: string, config: DenoConfig): Target {
  if (/^\.\.?(?:\/|$)/.test(specifier)) {
    return { type: "file", path: posix.join(posix.dirname(from), specifier) };
  }
  if (/^(?:npm|jsr|https?):/.test(specifier)) return { type: "inline" };
  if (/^(?:[a-z]+:|\/)/.test(specifier)) return { type: "module", name: specifier };

  const mapped = lookUp(specifier, config.imports ?? {}) ?? lookUpExport(specifier, config);
  if (mapped === undefined) return { type: "unmapped" };
  if (/^\.\.?\//.test(mapped)) return { type: "file", path: posix.normalize(mapped) };
  return { type: "module", name: mapped.replace(PACKAGE, "$1") };
}

const IMPORT_FROM =
  /(?:\b(?:import|export)\b(?<clause>[\p{L}\p{N}\s{},*$_]*?))?(?<![\w$.])from\s*(?<quote>["'])/gu;
const IMPORT_BARE = /(?<![\w$.])import\s*(?<quote>["'])/g;
const IMPORT_CALL = /(?<![\w$.])import\s*\(\s*(?:(?<quote>["'`])|(?=[^\s"'`]))/g;
const IMPORT_RESOLVE = /\bimport\.meta\.resolve\s*\(\s*(?<quote>["'`])/g;
const MODULE_URL = /\bnew\s+URL\s*\(\s*(?<quote>["'`])/g;
const IMPORT_PATTERNS = [IMPORT_FROM, IMPORT_BARE, IMPORT_CALL, IMPORT_RESOLVE, MODULE_URL];

/** A package and its version, in a value of the import map. */
const PACKAGE = /^(?:npm|jsr):\/?(@[^/]+\/[^@/]+|[^@/]+)(?:@[^/]+)?/;

const TYPES_PRAGMA =
  /^\/\/.*?(?:@(?:deno|ts)-types\s*=|<reference\s+(?:path|types)\s*=)\s*["'](?<specifier>[^"']+)["']/;

/** `new URL("./worker.ts", import.meta.url)` names a module; a folder or a data file is none. */
function isModuleUrl(specifier: string | undefined, after: string): boolean {
  return /^\s*,\s*import\.meta\.url/.test(after) && /\.m?[jt]sx?$/.test(specifier ?? "");
}

/** A URL counts from the file that it stands in, with or without `./`. */
function relative(url: string | undefined): string | undefined {
  return url === undefined || /^(?:\.|\/|[a-z]+:)/.test(url) ? url : `./${url}`;
}

function lookUp(specifier: string, map: Readonly<Record<string, string>>): string | undefined {
  const exact = map[specifier];
  if (exact !== undefined) return exact;
  const prefix = Object.keys(map)
    .filter((key) => specifier.startsWith(key.endsWith("/") ? key : `${key}/`))
    .filter((key) => key.endsWith("/") || /^(?:npm|jsr):/.test(map[key] ?? ""))
    .sort((a, b) => b.length - a.length)[0];
  return prefix === undefined ? undefined : `${map[prefix]}${specifier.slice(prefix.length)}`;
}

/** A package may import itself by its name: `@foldlog/foldlog/core` is the export `./core`. */
function lookUpExport(specifier: string, config: DenoConfig): string | undefined {
  const { name } = config;
  if (name === undefined || !`${specifier}/`.startsWith(`${name}/`)) return undefined;
  return exportsOf(config)[`.${specifier.slice(name.length)}`];
}

function listPaths(root: string, folder: string): string[] {
  return [...Deno.readDirSync(join(root, folder))].flatMap(({ name, isDirectory }) => {
    const path = posix.join(folder, name);
    if (NOT_OURS.includes(path) || name === ".git" || name === "node_modules") return [];
    return isDirectory ? listPaths(root, path) : [path];
  });
}

/** Folders of `.gitignore`, and so not part of the tree. */
const NOT_OURS: readonly string[] = ["runs", "coverage"];
