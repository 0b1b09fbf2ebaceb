import type { DType } from "../core/host_tensor.ts";
import type { JsonLimits } from "./canonical_json.ts";

/** The longest header that safetensors allows, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;

/**
 * What foldlog writes and reads as a header. 4 Mi values are half a million matrices; the format
 * sets no such limit, but V8 ends the process at some ten million keys.
 */
export const HEADER_LIMITS: Required<JsonLimits> = {
  maxLength: MAX_HEADER_BYTES,
  maxDepth: 64,
  maxValues: 2 ** 22,
  protoKeys: "keep", // tensors go into a Map, and entries are asked for own keys only
};

/** The key of the header that holds free text instead of a tensor. */
export const METADATA_KEY = "__metadata__";

/** Bytes of one element, which is also its alignment. */
export const ITEM_BYTES: Readonly<Record<DType, number>> = { float32: 4, int32: 4 };

/** The names that safetensors gives the element types. */
export const DTYPE_NAMES: Readonly<Record<DType, string>> = { float32: "F32", int32: "I32" };

/** The element types that safetensors names so, and the bytes of an element of each: what a reader takes. */
export type StoredTypes<Name extends string> = Readonly<Record<Name, number>>;

/** The types of foldlog's own files. */
export const OWN_TYPES: StoredTypes<"F32" | "I32"> = { F32: 4, I32: 4 };

/**
 * The bytes of a tensor, or undefined when the shape is none: a dimension that is not a whole
 * number from 0 up, or a size that binary64 cannot hold exactly. Dimensions are multiplied from
 * left to right, so a zero does not excuse an overflow before it, as in the reference reader.
 */
export function checkedBytes(itemBytes: number, shape: readonly unknown[]): number | undefined {
  let bytes = itemBytes;
  for (const dimension of shape) {
    if (!isCount(dimension)) return undefined;
    bytes *= dimension;
    if (!Number.isSafeInteger(bytes)) return undefined;
  }
  return bytes;
}

/** Whether `value` is a whole number from 0 up that binary64 holds exactly; -0 is none. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}
