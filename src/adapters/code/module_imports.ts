import { stripTypeScriptTypes } from "node:module";
import { type Import, parse } from "es-module-lexer";

/** A module that another one imports. */
export interface ModuleImport {
  readonly specifier: string;
  /** Whether it is code: data that is imported, such as JSON, imports nothing. */
  readonly isCode: boolean;
}

/**
 * The static imports, re-exports and literal dynamic imports of a module in JavaScript or TypeScript, or
 * why it cannot be read. Imports of types alone are left out: nothing is computed by them.
 */
export function importsOf(text: string): readonly ModuleImport[] | string {
  const found = lexed(text);
  if (typeof found !== "string") return found.flatMap(importOf);
  // What the lexer takes for a regular expression may be a division by TypeScript's grammar.
  const plain = withoutTypes(text);
  const again = plain === undefined ? found : lexed(plain);
  return typeof again === "string" ? found : again.flatMap(importOf);
}

function importOf(found: Import): readonly ModuleImport[] {
  if (found.type === "import-meta") return [];
  const { specifier, attributesStart } = found;
  if (specifier === undefined || (found.type === "dynamic" && found.glob)) return [];
  if (found.type === "dynamic" ? found.probablyTypeOnly : found.typeOnly) return [];
  const isData = attributesStart >= 0 || /\.(?:json|wasm)(?:[?#]|$)/.test(specifier);
  return [{ specifier, isCode: !isData }];
}

function lexed(text: string): readonly Import[] | string {
  try {
    return parse(text)[0];
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return `expected TypeScript or JavaScript without JSX, found another text: ${error.message}`;
  }
}

function withoutTypes(text: string): string | undefined {
  try {
    return stripTypeScriptTypes(text);
  } catch (error) {
    if (error instanceof Error) return undefined; // it is no TypeScript either
    throw error;
  }
}
