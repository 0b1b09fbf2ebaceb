/** What `JSON.parse` takes without a word and a careful reader refuses; `at` is a UTF-16 offset. */
export type JsonFlaw =
  | { readonly type: "TooDeep"; readonly at: number }
  | { readonly type: "TooManyValues"; readonly at: number }
  | { readonly type: "DuplicateKey"; readonly key: string; readonly at: number }
  | { readonly type: "ProtoKey"; readonly at: number };

/** What {@link scanJson} refuses; see the fields of the same names in `JsonLimits`. */
export interface ScanLimits {
  readonly maxDepth: number;
  readonly maxValues: number;
  readonly protoKeys: "refuse" | "keep";
}

/**
 * The first flaw of a JSON text: nesting too deep, more values than allowed, a key that its object
 * already has, or a key that spells `__proto__`, however it is escaped.
 *
 * It checks no grammar: it is exact on valid JSON, and on anything else it ends in linear time,
 * with or without a flaw, so that `JSON.parse` can refuse the text. It keeps its own stack, so no
 * nesting can overflow the machine's. Each key with an escape is given to `escapedKey`.
 */
export function scanJson(
  text: string,
  limits: ScanLimits,
  escapedKey: (start: number, end: number) => void = () => {},
): JsonFlaw | undefined {
  let values = 1; // each further value follows a comma or an opening bracket
  const open: (Set<string> | undefined)[] = []; // keys of each open object, undefined for an array
  let keyNext = false;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        if (open.length === limits.maxDepth) return { type: "TooDeep", at };
        if (++values > limits.maxValues) return { type: "TooManyValues", at };
        keyNext = text.charCodeAt(at) === OPEN_OBJECT;
        open.push(keyNext ? new Set() : undefined);
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        open.pop();
        keyNext = false;
        break;
      case COMMA:
        if (++values > limits.maxValues) return { type: "TooManyValues", at };
        keyNext = open.at(-1) !== undefined;
        break;
      case QUOTE: {
        const end = closingQuote(text, at);
        if (end === -1) return undefined;
        const key = keyNext ? unescaped(text.slice(at, end + 1)) : undefined;
        if (key !== undefined) {
          if (key === "__proto__" && limits.protoKeys === "refuse") return { type: "ProtoKey", at };
          if (open.at(-1)?.has(key)) return { type: "DuplicateKey", key, at };
          open.at(-1)?.add(key);
          if (end - at - 1 !== key.length) escapedKey(at, end + 1);
        }
        keyNext = false;
        at = end;
        break;
      }
    }
  }
  return undefined;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Where the string from `start` closes, or -1. A quote after an odd run of `\` is escaped. */
function closingQuote(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1) {
    let run = end;
    while (text.charCodeAt(run - 1) === BACKSLASH) run--;
    if ((end - run) % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return -1;
}

/** The text of a string literal; undefined where `JSON.parse` will refuse an escape. */
function unescaped(literal: string): string | undefined {
  if (!literal.includes("\\")) return literal.slice(1, -1);
  try {
    return JSON.parse(literal);
  } catch {
    return undefined;
  }
}
