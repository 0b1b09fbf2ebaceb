import * as E from "fp-ts/Either.js";
import JSON5 from "json5";
import { parse as parseToml, TomlError } from "smol-toml";
import { parseDocument } from "yaml";

/** The languages that config files are written in. */
export type ConfigSyntax = "yaml" | "toml" | "json5";

const SYNTAX_OF: Readonly<Record<string, ConfigSyntax>> = {
  ".yaml": "yaml",
  ".yml": "yaml",
  ".toml": "toml",
  ".json5": "json5",
  ".json": "json5",
};

/** The ends of the names of config files. */
export const CONFIG_EXTENSIONS: readonly string[] = Object.keys(SYNTAX_OF);

/** The language that a file of this name is written in; undefined where it is none of them. */
export function configSyntaxOf(name: string): ConfigSyntax | undefined {
  const extension = CONFIG_EXTENSIONS.find((end) => name.toLowerCase().endsWith(end));
  return extension === undefined ? undefined : SYNTAX_OF[extension];
}

/**
 * The value that a text has in one of these languages, or why it has none.
 *
 * Nothing in it is carried out: a YAML tag that is not of its core schema is refused, and so are aliases that
 * repeat more than they are worth.
 */
export function parseConfigText(text: string, syntax: ConfigSyntax): E.Either<string, unknown> {
  try {
    return E.right(READERS[syntax](text.replace(/^\u{feff}/u, "")));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const [reason] = error.message.split(/:?\r?\n/);
    return E.left(error instanceof TomlError ? `${reason}, line ${error.line}` : reason!);
  }
}

const READERS: Readonly<Record<ConfigSyntax, (text: string) => unknown>> = {
  yaml: readYaml,
  toml: parseToml,
  json5: (text) => JSON5.parse(text),
};

/** Of one YAML 1.2 document. Its aliases are counted with what they stand for, and a hundred is the end. */
function readYaml(text: string): unknown {
  const document = parseDocument(text, { schema: "core" });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw problem;
  return document.toJS({ maxAliasCount: 100 });
}
