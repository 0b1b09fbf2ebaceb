import type { JsonError } from "./canonical_json.ts";
import { quoted } from "./quoted.ts";

/** Why bytes are no safetensors file that foldlog reads; `tensor` is the entry at fault, if any. */
export type SafetensorsError =
  | {
    readonly type: "BadSafetensors";
    readonly reason: string;
    readonly expected: string;
    readonly actual: string;
    readonly tensor?: string;
  }
  | { readonly type: "BadHeaderJson"; readonly json: JsonError }
  | {
    readonly type: "UnsupportedDtype";
    readonly tensor: string;
    readonly expected: readonly string[];
    readonly actual: string;
  };

/** The error as one line for a person: what failed, what was expected and what was found. */
export function describeSafetensorsError(error: SafetensorsError): string {
  switch (error.type) {
    case "BadSafetensors": {
      const where = error.tensor === undefined ? "" : ` tensor ${quoted(error.tensor)}:`;
      return `Cannot read safetensors:${where} ${error.reason}: ` +
        `expected ${error.expected}, found ${error.actual}`;
    }
    case "BadHeaderJson": {
      const where = error.json.at === undefined ? "" : ` at offset ${error.json.at}`;
      return `Cannot read safetensors: bad header: ${error.json.reason}${where}`;
    }
    case "UnsupportedDtype":
      return `Cannot read safetensors: tensor ${quoted(error.tensor)}: dtype is not supported: ` +
        `expected ${error.expected.join(" or ")}, found ${quoted(error.actual)}; ` +
        `convert the tensor before reading it`;
    default:
      return error satisfies never;
  }
}
