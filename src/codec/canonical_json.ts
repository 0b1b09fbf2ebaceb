import * as E from "fp-ts/Either.js";
import type { Json } from "../core/json.ts";
import { parseEscapedKeys, type Span } from "./escaped_keys.ts";
import { type JsonFlaw, scanJson, type ScanLimits } from "./json_scan.ts";
import { MAX_DEPTH, writeJson } from "./json_writer.ts";
import { quoted } from "./quoted.ts";

/** Why a text is not JSON that foldlog reads; `at` is an offset in UTF-16 code units, if known. */
export interface JsonError {
  readonly type: "BadJson";
  readonly reason: string;
  readonly at?: number;
}

/** Limits for a text that may be hostile. */
export interface JsonLimits {
  /** Longest text, in UTF-16 code units; 16 Mi unless given. */
  readonly maxLength?: number;
  /** Deepest nesting of arrays and objects, where `[]` has depth 1; 64 unless given. */
  readonly maxDepth?: number;
  /** Most values, arrays and objects and what is in them; 1 Mi unless given. */
  readonly maxValues?: number;
  /** "keep" where only own keys are asked for, as `JSON.parse` makes them; else "refuse". */
  readonly protoKeys?: "refuse" | "keep";
}

/**
 * The canonical text of a value by RFC 8785: keys in UTF-16 order, numbers as ECMAScript prints
 * them, no space, so that equal values have equal bytes and one digest.
 *
 * What JSON would lose or change is refused instead, and so is what {@link parseJson} would not
 * read back, its limits of length and number aside. The event codec writes NaN, infinities and -0
 * as strings before they come here.
 *
 * @throws TypeError that names the path of the value, for NaN, an infinity, -0, a lone surrogate,
 * undefined (also inside arrays and objects), anything that is no plain JSON value, the key
 * `__proto__`, and nesting beyond 64 levels, so also for a circular value.
 *
 * @example
 * ```ts
 * import { equal } from "node:assert/strict";
 *
 * equal(canonicalJson({ step: 41, loss: 1e-7 }), '{"loss":1e-7,"step":41}');
 * ```
 */
export function canonicalJson(value: Json): string {
  return writeJson(value, "refuse");
}

/** Whether a text is the canonical text of the value that it was parsed to. Never throws. */
export function isCanonicalJson(text: string, value: Json): boolean {
  try {
    return canonicalJson(value) === text;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

/**
 * Parses a JSON text (RFC 8259) that may be hostile: too long, too deep, with too many values
 * (ten million keys end the process inside V8), with a key twice, or with `__proto__` as a key.
 * `JSON.parse` alone takes the last of two equal keys and says nothing.
 *
 * Numbers are those of `JSON.parse`: `1e400` is Infinity, and digits beyond binary64 are rounded.
 * It never throws.
 *
 * @example
 * ```ts
 * import { equal } from "node:assert/strict";
 *
 * equal(parseJson('{"step":1,"step":2}')._tag, "Left"); // a key twice
 * ```
 */
export function parseJson(text: string, limits: JsonLimits = {}): E.Either<JsonError, Json> {
  const { maxLength, ...scanned } = { ...DEFAULT_LIMITS, ...limits };
  if (text.length > maxLength) {
    return badJson(`expected at most ${maxLength} UTF-16 code units, found ${text.length}`);
  }
  try {
    const escaped: Span[] = [];
    const flaw = scanJson(text, scanned, (start, end) => escaped.push([start, end]));
    if (flaw !== undefined) return badJson(reasonOf(flaw, scanned), flaw.at);
    return E.right(escaped.length === 0 ? JSON.parse(text) : parseEscapedKeys(text, escaped));
  } catch (error) {
    return badJson(
      `expected a JSON text, found: ${error instanceof Error ? error.message : error}`,
    );
  }
}

const DEFAULT_LIMITS: Required<JsonLimits> = {
  maxLength: 16 * 2 ** 20,
  maxDepth: MAX_DEPTH,
  maxValues: 2 ** 20,
  protoKeys: "refuse",
};

function reasonOf(flaw: JsonFlaw, limits: ScanLimits): string {
  switch (flaw.type) {
    case "TooDeep":
      return `expected at most ${limits.maxDepth} levels of nesting, found one more`;
    case "TooManyValues":
      return `expected at most ${limits.maxValues} values, found one more`;
    case "DuplicateKey":
      return `expected each key once in an object, found ${quoted(flaw.key)} twice`;
    case "ProtoKey":
      return 'expected a key other than "__proto__", found it';
    default:
      return flaw satisfies never;
  }
}

function badJson(reason: string, at?: number): E.Either<JsonError, never> {
  return E.left({ type: "BadJson", reason, ...(at === undefined ? {} : { at }) });
}
