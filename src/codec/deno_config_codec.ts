import * as E from "fp-ts/Either.js";
import * as t from "io-ts";
import { parseJson } from "./canonical_json.ts";
import { decode } from "./decoders.ts";

/** The part of a deno.json, or of an import map, that says where an import leads. */
export interface DenoConfig {
  readonly imports: Readonly<Record<string, string>>;
  /** Path of a file that has the imports in its place. */
  readonly importMap?: string;
  /** The package's own name, by which its modules can import its exports. */
  readonly name?: string;
  readonly exports: Readonly<Record<string, string>>;
  /** Whether it has import maps for some modules only. */
  readonly hasScopes: boolean;
}

interface Written {
  readonly imports?: Readonly<Record<string, string>> | undefined;
  readonly scopes?: Readonly<Record<string, unknown>> | undefined;
  readonly importMap?: string | undefined;
  readonly name?: string | undefined;
  readonly exports?: string | Readonly<Record<string, string>> | undefined;
}

const config: t.Decoder<unknown, Written> = t.partial({
  imports: t.record(t.string, t.string),
  scopes: t.record(t.string, t.unknown),
  importMap: t.string,
  name: t.string,
  exports: t.union([t.string, t.record(t.string, t.string)]),
});

/** Reads the text of a deno.json or deno.jsonc: JSON with comments and trailing commas. */
export function decodeDenoConfig(text: string): E.Either<string, DenoConfig> {
  const json = parseJson(plainJson(text));
  if (E.isLeft(json)) return E.left(json.left.reason);
  const decoded = decode(config, json.right);
  if (E.isLeft(decoded)) return decoded;
  const { imports = {}, scopes = {}, exports = {}, importMap, name } = decoded.right;
  return E.right({
    imports,
    exports: typeof exports === "string" ? { ".": exports } : exports,
    hasScopes: Object.keys(scopes).length > 0,
    ...(importMap !== undefined && { importMap }),
    ...(name !== undefined && { name }),
  });
}

/** Without comments, and then without commas before a closing bracket; texts stay as they are. */
function plainJson(text: string): string {
  return text
    .replace(/("(?:\\.|[^"\\])*")|\/\/[^\r\n]*|\/\*[\s\S]*?\*\//g, (_, quoted) => quoted ?? " ")
    .replace(/("(?:\\.|[^"\\])*")|,(?=\s*[}\]])/g, (_, quoted) => quoted ?? "");
}
