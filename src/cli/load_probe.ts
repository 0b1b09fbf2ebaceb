import { basename, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { sha256 } from "../codec/digest.ts";
import type { Digest } from "../core/digest.ts";
import type { Probe } from "../train/probe.ts";
import { UsageError } from "./usage_error.ts";

/** A probe that was read from a file. */
export interface LoadedProbe {
  readonly probe: Probe;
  /** That of the export, or of the file where it is the default export; only characters of file names. */
  readonly name: string;
  /** Digest of the file's bytes. */
  readonly source: Digest;
}

/** Imports the probe that a file exports: by default, or by name. */
export async function loadProbe(file: string, exported = "default"): Promise<LoadedProbe> {
  if (file === "") throw new UsageError("Expected --with to name a file, found an empty text.");
  const bytes = await readBytes(file);
  const found = await imported(file);
  const probe = Object.hasOwn(found, exported) ? found[exported] : undefined;
  if (typeof probe !== "function") throw new UsageError(missing(file, exported, found));
  const name = exported === "default" ? basename(file, extname(file)) : exported;
  const safe = name.replaceAll(/[^\w.-]/g, "_");
  return { probe: probe as Probe, name: safe, source: sha256(bytes) };
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(file);
  } catch (error) {
    const { NotFound, IsADirectory, PermissionDenied } = Deno.errors;
    for (const known of [NotFound, IsADirectory, PermissionDenied]) {
      if (!(error instanceof known)) continue;
      throw new UsageError(`Expected --with to name a file, cannot read it: ${error.message}.`);
    }
    throw error;
  }
}

async function imported(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await import(pathToFileURL(resolve(file)).href);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot load the probe in ${file}: ${reason}`);
  }
}

function missing(
  file: string,
  exported: string,
  found: Readonly<Record<string, unknown>>,
): string {
  const what = exported === "default" ? "a default export" : `an export "${exported}"`;
  const names = Object.entries(found)
    .filter(([, value]) => typeof value === "function")
    .map(([name]) => name);
  const others = names.length === 0
    ? "it exports no function."
    : `it exports ${names.join(", ")}: name one with --export.`;
  return `Expected ${file} to have ${what} that is a function of a step; ${others}`;
}
