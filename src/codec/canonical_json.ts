import canonicalize from "canonicalize";
import * as E from "fp-ts/Either.js";
import type { Json } from "../core/json.ts";
import { parseEscapedKeys, type Span } from "./escaped_keys.ts";
import { type JsonFlaw, scanJson, type ScanLimits } from "./json_scan.ts";
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
  const misfit = findMisfit(value, 0);
  if (misfit !== undefined) {
    const { expected, path, found } = misfit;
    throw new TypeError(
      `Cannot write canonical JSON: expected ${expected} at $${path}, found ${found}`,
    );
  }
  return canonicalize(value) as string; // undefined only for what findMisfit has refused
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
  maxDepth: 64,
  maxValues: 2 ** 20,
  protoKeys: "refuse",
};

/** A value that canonical JSON cannot carry, and its path below the value that was searched. */
interface Misfit {
  readonly path: string;
  readonly expected: string;
  readonly found: string;
}

/** Searches for a misfit. Its path is put together on the way back: good values cost no strings. */
function findMisfit(value: unknown, depth: number): Misfit | undefined {
  switch (typeof value) {
    case "boolean":
      return undefined;
    case "string":
      return value.isWellFormed()
        ? undefined
        : misfit("a well-formed string", `a lone surrogate in ${quoted(value)}`);
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
        ? undefined
        : misfit("a finite number other than -0", Object.is(value, -0) ? "-0" : String(value));
    case "object":
      if (value === null) return undefined;
      if (depth === DEFAULT_LIMITS.maxDepth) return misfit(`at most ${depth} levels`, "one more");
      if (Array.isArray(value)) return findInArray(value, depth);
      return findInObject(value as Readonly<Record<string, unknown>>, depth);
    default:
      return misfit("a JSON value", typeof value);
  }
}

function findInArray(values: readonly unknown[], depth: number): Misfit | undefined {
  for (let index = 0; index < values.length; index++) {
    const inner = findMisfit(values[index], depth + 1);
    if (inner !== undefined) return { ...inner, path: `[${index}]${inner.path}` };
  }
  return undefined;
}

function findInObject(
  object: Readonly<Record<string, unknown>>,
  depth: number,
): Misfit | undefined {
  const prototype = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) {
    return misfit(
      "a plain object or array",
      `a ${prototype.constructor?.name ?? "class instance"}`,
    );
  }
  for (const key of Object.keys(object)) {
    const inner = key === "__proto__"
      ? misfit('a key other than "__proto__"', "it")
      : findMisfit(key, depth + 1) ?? findMisfit(object[key], depth + 1);
    if (inner !== undefined) return { ...inner, path: `${step(key)}${inner.path}` };
  }
  return undefined;
}

function misfit(expected: string, found: string): Misfit {
  return { path: "", expected, found };
}

/** One step of a path: `.loss`, or `["two words"]`. */
function step(key: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) ? `.${key}` : `[${quoted(key)}]`;
}

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
