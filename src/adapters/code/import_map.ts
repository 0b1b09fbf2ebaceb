import * as E from "fp-ts/Either.js";
import { decodeDenoConfig, type DenoConfig } from "../../codec/deno_config_codec.ts";
import type { CodeUnreadable } from "../../ports/code_unreadable.ts";
import { fail } from "../../ports/attempt.ts";
import { isForbidden } from "../files/durable_file.ts";

/** Where the imports of a project lead, and the files that say so. */
export interface ImportMap {
  /** Full specifiers, or bare names, and what they stand for; what ends in a slash, for all that begins so. */
  readonly entries: ReadonlyMap<string, string>;
  /** The project's deno.json and deno.lock and the like, by URL. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** The import map of the nearest deno.json or deno.jsonc at or above a module; an empty one without any. */
export async function importMapAbove(module: string): Promise<ImportMap> {
  let directory = new URL(".", module);
  while (true) {
    for (const name of ["deno.json", "deno.jsonc"]) {
      const config = new URL(name, directory);
      const bytes = await readIfThere(config);
      if (bytes !== undefined) return await importMapOf(config, bytes);
    }
    const above = new URL("..", directory);
    if (above.href === directory.href) return { entries: new Map(), files: new Map() };
    directory = above;
  }
}

/**
 * What a specifier leads to from a module: a URL, or a specifier of a package; undefined for a bare name
 * that the map does not have. By the rules of import maps: the whole specifier, then the longest beginning.
 */
export function resolveImport(
  specifier: string,
  module: string,
  { entries }: ImportMap,
): string | undefined {
  const full = absolute(specifier, module);
  const asked = full ?? specifier;
  const whole = entries.get(asked);
  if (whole !== undefined) return whole;
  const [beginning] = [...entries.keys()]
    .filter((key) => key.endsWith("/") && asked.startsWith(key))
    .sort((a, b) => b.length - a.length);
  if (beginning === undefined) return full;
  const [target, rest] = [entries.get(beginning)!, asked.slice(beginning.length)];
  return target.startsWith("file:") ? new URL(rest, target).href : target + rest;
}

async function importMapOf(config: URL, bytes: Uint8Array): Promise<ImportMap> {
  const files = new Map([[config.href, bytes]]);
  const lock = new URL("deno.lock", config);
  const locked = await readIfThere(lock);
  if (locked !== undefined) files.set(lock.href, locked);
  const { name, exports, importMap, ...own } = parsed(config, bytes);
  const entries = new Map<string, string>();
  for (const [key, target] of name === undefined ? [] : Object.entries(exports)) {
    entries.set(`${name}${key.slice(1)}`, new URL(target, config).href);
  }
  if (importMap === undefined) addImports(entries, own, config);
  else {
    const place = new URL(importMap, config);
    const mapBytes = await readIfThere(place) ??
      unreadable(place, `${config.href} names it as its import map, and it is not there`);
    files.set(place.href, mapBytes);
    addImports(entries, parsed(place, mapBytes), place);
  }
  return { entries, files };
}

function addImports(
  entries: Map<string, string>,
  { imports, hasScopes }: Pick<DenoConfig, "imports" | "hasScopes">,
  base: URL,
): void {
  if (hasScopes) unreadable(base, "expected an import map for all modules, found one with scopes");
  for (const [key, value] of Object.entries(imports)) {
    const target = absolute(value, base.href) ?? value;
    entries.set(absolute(key, base.href) ?? key, target);
    // A package's name stands for what is below it, too, as Deno has it.
    const isPackage = /^(?:npm|jsr):[^/]/.test(target) && !key.endsWith("/");
    const below = `${key}/`;
    if (isPackage && !entries.has(below)) {
      entries.set(below, `${target.replace(":", ":/")}/`);
    }
  }
}

/** The URL that a specifier is, or is relative to a module; undefined for a bare name. */
function absolute(specifier: string, base: string): string | undefined {
  if (/^\.{0,2}\//.test(specifier)) return new URL(specifier, base).href;
  return URL.canParse(specifier) ? specifier : undefined;
}

function parsed(place: URL, bytes: Uint8Array): DenoConfig {
  const config = decodeDenoConfig(new TextDecoder().decode(bytes));
  return E.isRight(config) ? config.right : unreadable(place, config.left);
}

async function readIfThere(file: URL): Promise<Uint8Array | undefined> {
  try {
    return await Deno.readFile(file);
  } catch (error) {
    const { NotFound, NotADirectory, IsADirectory } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) return undefined;
    if (error instanceof IsADirectory || isForbidden(error)) return undefined; // none of this project
    throw error;
  }
}

function unreadable(file: URL, reason: string): never {
  return fail({ type: "CodeUnreadable", file: file.href, reason } satisfies CodeUnreadable);
}
