import { init } from "es-module-lexer";
import type { CodeUnreadable } from "../../ports/code_unreadable.ts";
import { fail } from "../../ports/attempt.ts";
import { type ImportMap, importMapAbove, resolveImport } from "./import_map.ts";
import { importsOf } from "./module_imports.ts";
import { isSystemError } from "../files/system_error.ts";

/** The modules that some modules consist of, and what they import from elsewhere. */
export interface ModuleGraph {
  /** Bytes of each file by its URL, the project's deno.json and deno.lock among them. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Specifiers of what is in no file: packages, node:, https: and the like. */
  readonly imports: ReadonlySet<string>;
}

/** A module on the way to its file. */
interface Wanted {
  readonly url: string;
  readonly isCode: boolean;
  /** The module that imports it; absent for a root. */
  readonly from?: string;
}

/**
 * Reads all files that modules import, directly or by others, through the import map of the project of the
 * first root that is a file. A root that is none is listed as an import.
 *
 * Fails with CodeUnreadable.
 */
export async function moduleGraph(roots: readonly string[]): Promise<ModuleGraph> {
  await init();
  const files = new Map<string, Uint8Array>();
  const imports = new Set<string>();
  const seen = new Set<string>();
  const first = roots.find((root) => root.startsWith("file:"));
  const map = first === undefined ? undefined : await importMapAbove(first);
  const enter = (wanted: Wanted): readonly Wanted[] => {
    if (!wanted.url.startsWith("file:")) {
      imports.add(wanted.url);
      return [];
    }
    const url = withoutQuery(wanted.url);
    const key = `${wanted.isCode} ${url}`;
    if (seen.has(key)) return [];
    seen.add(key);
    return [{ ...wanted, url }];
  };
  let wanted = roots.map((url) => ({ url, isCode: true })).flatMap(enter);
  while (wanted.length > 0) {
    const read = await Promise.all(wanted.map(async (one) => [one, await bytesOf(one)] as const));
    for (const [{ url }, bytes] of read) files.set(url, bytes);
    wanted = read.flatMap(([one, bytes]) => importedBy(one, bytes, map!)).flatMap(enter);
  }
  for (const [url, bytes] of map?.files ?? []) files.set(url, bytes);
  return { files, imports };
}

function importedBy(
  { url, isCode }: Wanted,
  bytes: Uint8Array,
  map: ImportMap,
): readonly Wanted[] {
  if (!isCode) return [];
  const imports = importsOf(new TextDecoder().decode(bytes));
  if (typeof imports === "string") return unreadable(url, imports);
  return imports.map(({ specifier, isCode }) => {
    const target = resolveImport(specifier, url, map) ??
      unreadable(url, `it imports "${specifier}", which no import map leads anywhere`);
    return { url: target, isCode, from: url };
  });
}

async function bytesOf({ url, from }: Wanted): Promise<Uint8Array> {
  try {
    return await Deno.readFile(new URL(url));
  } catch (error) {
    if (!isSystemError(error) && !(error instanceof TypeError || error instanceof URIError)) {
      throw error;
    }
    const importer = from === undefined ? "" : `, which ${from} imports`;
    return unreadable(url + importer, error.message);
  }
}

/** A file is one, whatever parameters it is imported with. */
function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, "");
}

function unreadable(file: string, reason: string): never {
  return fail({ type: "CodeUnreadable", file, reason } satisfies CodeUnreadable);
}
