import * as E from "fp-ts/Either.js";
import type { HostTensor } from "../core/host_tensor.ts";
import type { SafetensorsError } from "./safetensors_error.ts";
import { MAX_HEADER_BYTES, OWN_TYPES, type StoredTypes } from "./safetensors_format.ts";
import {
  parseSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from "./safetensors_header.ts";

/** What a safetensors file holds. `metadata` may have any key: ask it with `Object.hasOwn`. */
export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, HostTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads a whole safetensors file (https://huggingface.co/docs/safetensors, "Format") that may be
 * hostile: it never throws, and allocates at most a small multiple of `bytes`.
 *
 * Tensors come in the order of their data. A tensor is a view of `bytes` where its elements are
 * aligned there, and a copy where they are not, so `bytes` must not change while tensors are used.
 *
 * @example
 * ```ts
 * const file = new TextEncoder().encode("\x08\0\0\0\0\0\0\0{}      ");
 * const result = decodeSafetensors(file);
 * if (result._tag === "Left" || result.right.tensors.size !== 0) throw new Error("unexpected");
 * ```
 */
export function decodeSafetensors(bytes: Uint8Array): E.Either<SafetensorsError, SafetensorsFile> {
  const parts = partsOfSafetensors(bytes, OWN_TYPES);
  if (E.isLeft(parts)) return parts;
  const { entries, metadata, data } = parts.right;
  const tensors = new Map(entries.map((entry) => [entry.name, ownTensor(entry, data)]));
  return E.right({ tensors, metadata });
}

/** What a file consists of: what its header says, and the data that the entries are places in. */
export interface SafetensorsParts<Dtype extends string> extends SafetensorsHeader<Dtype> {
  readonly data: Uint8Array;
}

/** The parts of a file with tensors of these types alone, all of them checked. Views of `bytes`. */
export function partsOfSafetensors<Dtype extends string>(
  bytes: Uint8Array,
  types: StoredTypes<Dtype>,
): E.Either<SafetensorsError, SafetensorsParts<Dtype>> {
  if (bytes.length < 8) return bad("file is too short", "at least 8 bytes", `${bytes.length}`);
  const { buffer, byteOffset } = bytes;
  const headerBytes = new DataView(buffer, byteOffset, 8).getBigUint64(0, true);
  if (headerBytes > MAX_HEADER_BYTES) {
    return bad("header is too long", `at most ${MAX_HEADER_BYTES} bytes`, `${headerBytes}`);
  }
  const dataStart = 8 + Number(headerBytes);
  if (dataStart > bytes.length) {
    return bad("header is cut off", `${headerBytes} bytes`, `${bytes.length - 8}`);
  }
  const text = utf8(bytes.subarray(8, dataStart));
  if (text === undefined) return bad("bad header", "UTF-8", "a malformed sequence");
  if (!text.startsWith("{")) {
    return bad("bad header", "a text that begins with {", JSON.stringify(text.slice(0, 8)));
  }
  const header = parseSafetensorsHeader(text, bytes.length - dataStart, types);
  if (E.isLeft(header)) return header;
  return E.right({ ...header.right, data: bytes.subarray(dataStart) });
}

/** The text, with a byte order mark kept so that it is refused; undefined where it is not UTF-8. */
function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** The tensor of an entry: a view of `data` where it is aligned there, and a copy where it is not. */
export function ownTensor(
  { dtype, shape, begin, end }: SafetensorsEntry<keyof typeof OWN_TYPES>,
  data: Uint8Array,
): HostTensor {
  const stored = data.subarray(begin, end);
  const itemBytes = OWN_TYPES[dtype];
  // Not `slice`: that of a Node Buffer is a view again.
  const { buffer, byteOffset } = stored.byteOffset % itemBytes === 0
    ? stored
    : new Uint8Array(stored);
  const count = (end - begin) / itemBytes;
  return dtype === "F32"
    ? { dtype: "float32", shape, data: new Float32Array(buffer, byteOffset, count) }
    : { dtype: "int32", shape, data: new Int32Array(buffer, byteOffset, count) };
}

function bad(reason: string, expected: string, actual: string): E.Either<SafetensorsError, never> {
  return E.left({ type: "BadSafetensors", reason, expected, actual });
}
