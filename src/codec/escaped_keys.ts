import type { Json } from "../core/json.ts";

/** Where a string literal begins in a text, and where it ends (exclusive). */
export type Span = readonly [start: number, end: number];

/**
 * Parses a JSON text some of whose keys have escapes.
 *
 * V8's JSON.parse can take such a key for another that it has read before (nodejs/node#63785, seen in
 * Deno 2.9.6). So these keys are given names without escapes for the parse, and their own back after it.
 */
export function parseEscapedKeys(text: string, escaped: readonly Span[]): Json {
  let mark = "k";
  while (text.includes(`"${mark}`)) mark += "k";
  const names = new Map<string, string>();
  let renamedText = "";
  let from = 0;
  for (const [start, end] of escaped) {
    const name = `${mark}${names.size}`;
    names.set(name, JSON.parse(text.slice(start, end)));
    renamedText += `${text.slice(from, start)}"${name}"`;
    from = end;
  }
  return withNames(JSON.parse(renamedText + text.slice(from)), names);
}

function withNames(value: Json, names: ReadonlyMap<string, string>): Json {
  if (Array.isArray(value)) return value.map((item) => withNames(item, names));
  if (value === null || typeof value !== "object") return value;
  const members = Object.entries(value).map(([key, member]) =>
    [names.get(key) ?? key, withNames(member, names)] as const
  );
  return Object.fromEntries(members);
}
