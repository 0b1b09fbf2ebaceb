import * as E from "fp-ts/Either.js";
import type { Json } from "../core/json.ts";
import { parseJson } from "./canonical_json.ts";
import { quoted } from "./quoted.ts";
import type { SafetensorsError } from "./safetensors_error.ts";
import {
  checkedBytes,
  HEADER_LIMITS,
  isCount,
  METADATA_KEY,
  type StoredTypes,
} from "./safetensors_format.ts";

/** One tensor's place: bytes `begin` to `end` of the data that follows the header. */
export interface SafetensorsEntry<Dtype extends string = string> {
  readonly name: string;
  /** As safetensors names it. */
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** A checked header: its entries, in the order of their data, cover the data exactly. */
export interface SafetensorsHeader<Dtype extends string = string> {
  readonly entries: readonly SafetensorsEntry<Dtype>[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Parses the JSON header of a file with `dataBytes` bytes of data, and checks every claim it makes. A
 * tensor of another type than `types` is refused.
 *
 * Nothing is allocated for the data, so overlapping tensors cannot multiply it. Never throws.
 */
export function parseSafetensorsHeader<Dtype extends string>(
  text: string,
  dataBytes: number,
  types: StoredTypes<Dtype>,
): E.Either<SafetensorsError, SafetensorsHeader<Dtype>> {
  const json = parseJson(text, HEADER_LIMITS);
  if (E.isLeft(json)) return E.left({ type: "BadHeaderJson", json: json.left });
  if (!isObject(json.right)) return bad("bad header", "a JSON object", shown(json.right));
  const metadata = parseMetadata(json.right);
  if (E.isLeft(metadata)) return metadata;
  const entries: SafetensorsEntry<Dtype>[] = [];
  for (const name of Object.keys(json.right)) {
    if (name === METADATA_KEY) continue;
    const entry = parseEntry(name, json.right[name], types);
    if (E.isLeft(entry)) return entry;
    entries.push(entry.right);
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  return findHole(entries, dataBytes) ?? E.right({ entries, metadata: metadata.right });
}

type Refusal = E.Either<SafetensorsError, never>;
type JsonObject = { readonly [key: string]: Json };

const FIELDS: readonly string[] = ["dtype", "shape", "data_offsets"];

function parseMetadata(
  header: JsonObject,
): E.Either<SafetensorsError, SafetensorsHeader["metadata"]> {
  const metadata = Object.hasOwn(header, METADATA_KEY) ? header[METADATA_KEY] : {};
  if (!isObject(metadata)) return bad("bad __metadata__", "a JSON object", shown(metadata));
  for (const key of Object.keys(metadata)) {
    const value = metadata[key];
    if (!isText(key)) return bad("bad __metadata__", "a well-formed key", quoted(key));
    if (!isText(value)) {
      return bad(`bad __metadata__ ${quoted(key)}`, "a well-formed string", shown(value));
    }
  }
  return E.right(metadata as SafetensorsHeader["metadata"]);
}

function parseEntry<Dtype extends string>(
  name: string,
  entry: Json | undefined,
  types: StoredTypes<Dtype>,
): E.Either<SafetensorsError, SafetensorsEntry<Dtype>> {
  if (!isText(name)) return bad("bad name", "well-formed text", quoted(name), name);
  if (!isObject(entry)) return bad("bad entry", "a JSON object", shown(entry), name);
  const missing = FIELDS.find((field) => !Object.hasOwn(entry, field));
  if (missing !== undefined) return bad("bad entry", `a field ${missing}`, "none", name);
  const unknown = Object.keys(entry).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) return bad("bad entry", FIELDS.join(", "), quoted(unknown), name);

  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string") return bad("bad dtype", "a string", shown(dtype), name);
  if (!isOneOf(types, dtype)) {
    const expected = Object.keys(types);
    return E.left({ type: "UnsupportedDtype", tensor: name, expected, actual: dtype });
  }
  if (!Array.isArray(shape)) return bad("bad shape", "an array", shown(shape), name);
  const misfit = shape.find((dimension) => !isCount(dimension));
  if (misfit !== undefined) return bad("bad shape", "whole numbers from 0 up", shown(misfit), name);
  const bytes = checkedBytes(types[dtype], shape);
  if (bytes === undefined) {
    return bad("bad shape", "at most 2^53 - 1 bytes", shown(shape), name);
  }
  if (!isRange(offsets)) {
    return bad("bad data_offsets", "[begin, end], 0 <= begin <= end", shown(offsets), name);
  }
  const [begin, end] = offsets;
  if (end - begin !== bytes) {
    return bad("bad data_offsets", `${bytes} bytes for its shape`, `${end - begin}`, name);
  }
  return E.right({ name, dtype, shape, begin, end });
}

/** The first place where tensors, sorted by offset, overlap, leave a gap, or miss the end. */
function findHole(entries: readonly SafetensorsEntry[], dataBytes: number): Refusal | undefined {
  let covered = 0;
  for (const { name, begin, end } of entries) {
    if (begin < covered) return bad("data overlap", `begin ${covered}`, `${begin}`, name);
    if (begin > covered) return bad("gap in the data", `begin ${covered}`, `${begin}`, name);
    covered = end;
  }
  if (covered > dataBytes) return bad("data is cut off", `${covered} bytes`, `${dataBytes}`);
  if (covered < dataBytes) return bad("data no tensor owns", `${covered} bytes`, `${dataBytes}`);
  return undefined;
}

function bad(reason: string, expected: string, actual: string, tensor?: string): Refusal {
  const where = tensor === undefined ? {} : { tensor };
  return E.left({ type: "BadSafetensors", reason, expected, actual, ...where });
}

function isOneOf<Name extends string>(types: StoredTypes<Name>, name: string): name is Name {
  return Object.hasOwn(types, name);
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: Json | undefined): value is string {
  return typeof value === "string" && value.isWellFormed();
}

function isRange(value: Json | undefined): value is readonly [begin: number, end: number] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [begin, end] = value;
  return isCount(begin) && isCount(end) && begin <= end;
}

/** A value from outside in a few words, however large it is. */
function shown(value: Json | undefined): string {
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) {
    const items = value.slice(0, 4).map((item) => typeof item === "object" ? "..." : `${item}`);
    return quoted(`[${items.join(",")}${value.length > 4 ? ",..." : ""}]`);
  }
  return isObject(value) ? "an object" : Object.is(value, -0) ? "-0" : String(value);
}
