import type { Json } from "../core/json.ts";

const NAMES = new Map<string, number>([
  ["NaN", NaN],
  ["Infinity", Infinity],
  ["-Infinity", -Infinity],
  ["-0", -0],
]);

/** A number as JSON: itself, or a string where JSON has no number for it ("NaN", "-Infinity", "-0"). */
export function encodeNumber(value: number): number | string {
  if (Number.isFinite(value) && !Object.is(value, -0)) return value;
  return Object.is(value, -0) ? "-0" : String(value);
}

/** The number that `encodeNumber` wrote, or undefined where there is none. */
export function decodeNumber(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  return typeof value === "string" ? NAMES.get(value) : undefined;
}

/** `value` with every number in it encoded by `encodeNumber`, members that are undefined left out. */
export function encodeNumbers(value: unknown): Json {
  if (typeof value === "number") return encodeNumber(value);
  if (Array.isArray(value)) return value.map(encodeNumbers);
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return Object.fromEntries(members.map(([name, member]) => [name, encodeNumbers(member)]));
  }
  return value as Json;
}
