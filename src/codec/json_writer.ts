import { encodeNumber } from "./float_codec.ts";
import { keyOrder } from "./key_order.ts";
import { quoted } from "./quoted.ts";

/** Deepest nesting of arrays and objects that is written, where `[]` has depth 1. */
export const MAX_DEPTH = 64;

/**
 * What becomes of a number that JSON does not have (NaN, the infinities, -0): it is refused, or is
 * written as the string that `encodeNumber` gives; then members that are undefined are left out, as
 * `encodeNumbers` does.
 */
export type OddNumbers = "refuse" | "name";

/**
 * The canonical text of a value by RFC 8785, checked and written in one pass.
 *
 * @throws TypeError that names the path of a value that such a text cannot carry: see `canonicalJson`.
 */
export function writeJson(value: unknown, oddNumbers: OddNumbers): string {
  try {
    return writeValue(value, oddNumbers, 0);
  } catch (thrown) {
    if (!(thrown instanceof Misfit)) throw thrown;
    const { expected, path, found } = thrown;
    throw new TypeError(
      `Cannot write canonical JSON: expected ${expected} at $${path}, found ${found}`,
    );
  }
}

/** A string as JSON writes it. */
export function writeString(text: string): string {
  return NOT_PLAIN.test(text) ? escaped(text) : `"${text}"`;
}

const NOT_PLAIN = /[^ !#-[\]-~]/; // a quote, a backslash, a control character or no ASCII

function writeValue(value: unknown, oddNumbers: OddNumbers, depth: number): string {
  switch (typeof value) {
    case "string":
      return writeString(value);
    case "number":
      if (Number.isFinite(value) && !Object.is(value, -0)) return String(value);
      return writeOddNumber(value, oddNumbers);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      if (value === null) return "null";
      if (depth === MAX_DEPTH) throw new Misfit(`at most ${MAX_DEPTH} levels`, "one more");
      return Array.isArray(value)
        ? writeArray(value, oddNumbers, depth)
        : writeObject(value as Readonly<Record<string, unknown>>, oddNumbers, depth);
    default:
      throw new Misfit("a JSON value", typeof value);
  }
}

function writeOddNumber(value: number, oddNumbers: OddNumbers): string {
  const name = encodeNumber(value);
  if (oddNumbers === "name") return `"${name}"`;
  throw new Misfit("a finite number other than -0", String(name));
}

function writeArray(values: readonly unknown[], oddNumbers: OddNumbers, depth: number): string {
  let text = "[";
  let index = 0;
  try {
    for (; index < values.length; index++) {
      text += (index === 0 ? "" : ",") + writeValue(values[index], oddNumbers, depth + 1);
    }
  } catch (thrown) {
    throw below(`[${index}]`, thrown);
  }
  return text + "]";
}

function writeObject(
  object: Readonly<Record<string, unknown>>,
  oddNumbers: OddNumbers,
  depth: number,
): string {
  const prototype = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) {
    const found = `a ${prototype.constructor?.name ?? "class instance"}`;
    throw new Misfit("a plain object or array", found);
  }
  const keys = inOrder(Object.keys(object));
  let text = "{";
  let at = 0;
  try {
    for (; at < keys.length; at++) {
      const key = keys[at]!;
      const member = object[key.key];
      if (member === undefined && oddNumbers === "name") continue;
      text += (text.length === 1 ? "" : ",") + key.text + writeValue(member, oddNumbers, depth + 1);
    }
  } catch (thrown) {
    throw below(step(keys[at]!.key), thrown);
  }
  return text + "}";
}

const inOrder = keyOrder((key) => {
  try {
    if (key === "__proto__") throw new Misfit('a key other than "__proto__"', "it");
    return `${writeString(key)}:`;
  } catch (thrown) {
    throw below(step(key), thrown);
  }
});

function escaped(text: string): string {
  if (text.isWellFormed()) return JSON.stringify(text);
  throw new Misfit("a well-formed string", `a lone surrogate in ${quoted(text)}`);
}

/** A value that canonical JSON cannot carry. Its path is put together on the way out. */
class Misfit extends Error {
  constructor(readonly expected: string, readonly found: string, readonly path = "") {
    super(expected);
  }
}

function below(step: string, thrown: unknown): unknown {
  if (!(thrown instanceof Misfit)) return thrown;
  return new Misfit(thrown.expected, thrown.found, step + thrown.path);
}

/** One step of a path: `.loss`, or `["two words"]`. */
function step(key: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) ? `.${key}` : `[${quoted(key)}]`;
}
