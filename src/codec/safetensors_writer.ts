import { bytesOf, type HostTensor } from "../core/host_tensor.ts";
import { scanJson } from "./json_scan.ts";
import { quoted } from "./quoted.ts";
import {
  checkedBytes,
  DTYPE_NAMES,
  HEADER_LIMITS,
  ITEM_BYTES,
  MAX_HEADER_BYTES,
  METADATA_KEY,
} from "./safetensors_format.ts";

/**
 * Writes tensors as a safetensors file (https://huggingface.co/docs/safetensors, "Format").
 *
 * Equal tensors and metadata give equal bytes, whatever order they come in: tensors lie by
 * descending alignment and then by name in UTF-16 code units, metadata by key. The header is padded
 * with spaces so that the data begins at a multiple of 8. Elements are copied as bytes: NaN
 * payloads and -0 survive. Empty metadata is left out. Tensors are borrowed; the result belongs to
 * the caller.
 *
 * @throws TypeError for what the format cannot carry: the tensor name `__metadata__`, a lone
 * surrogate in a name or in metadata, a shape that does not fit the data, data of another type than
 * `dtype`; RangeError for a header beyond 100,000,000 bytes or 4 Mi values (half a million tensors).
 *
 * @example
 * ```ts
 * const bias = { dtype: "float32", shape: [2], data: Float32Array.of(0.5, -0) } as const;
 * const bytes = encodeSafetensors({ bias }, { format: "pt" }); // of model.safetensors
 * if (bytes.length % 8 !== 0) throw new Error("expected whole words");
 * ```
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, HostTensor>> | ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const { header, tensors: inOrder, bytes } = safetensorsLayout(tensors, metadata);
  const file = new Uint8Array(bytes);
  file.set(header);
  let at = header.length;
  for (const [, tensor] of inOrder) {
    file.set(bytesOf(tensor), at);
    at += tensor.data.byteLength;
  }
  return file;
}

/** What a safetensors file consists of: for whoever writes one without putting it together first. */
export interface SafetensorsLayout {
  /** What comes before the data: the header, its length before it, padded. */
  readonly header: Uint8Array<ArrayBuffer>;
  /** The tensors in the order of their data, which follows the header without a gap. */
  readonly tensors: readonly NamedTensor[];
  /** Length of the whole file. */
  readonly bytes: number;
}

/** A tensor and its name. */
export type NamedTensor = readonly [name: string, tensor: HostTensor];

/** The parts of the file that {@link encodeSafetensors} writes, with the same refusals. */
export function safetensorsLayout(
  tensors: Readonly<Record<string, HostTensor>> | ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsLayout {
  const named = entriesOf(tensors).sort(byAlignmentThenName);
  const fields = metadataFields(metadata);
  let dataBytes = 0;
  for (const [name, tensor] of named) {
    const begin = dataBytes;
    dataBytes += tensorBytes(name, tensor);
    fields.push(tensorField(name, tensor, begin, dataBytes));
  }
  const text = paddedHeader(`{${fields.join(",")}}`);
  const header = new Uint8Array(8 + text.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(text.length), true);
  header.set(text, 8);
  return { header, tensors: named, bytes: header.length + dataBytes };
}

function entriesOf(
  tensors: Readonly<Record<string, HostTensor>> | ReadonlyMap<string, HostTensor>,
): NamedTensor[] {
  return tensors instanceof Map ? [...tensors] : Object.entries(tensors);
}

function byAlignmentThenName([a, left]: NamedTensor, [b, right]: NamedTensor): number {
  return ITEM_BYTES[right.dtype] - ITEM_BYTES[left.dtype] || byCodeUnits(a, b);
}

/** `<` compares strings by UTF-16 code units; `localeCompare` would depend on the machine. */
function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function metadataFields(metadata: Readonly<Record<string, string>>): string[] {
  const texts = Object.entries(metadata)
    .sort(([a], [b]) => byCodeUnits(a, b))
    .map(([key, value]) => `${jsonText(key)}:${jsonText(value)}`);
  return texts.length === 0 ? [] : [`"${METADATA_KEY}":{${texts.join(",")}}`];
}

/** One header entry; its fields stand in the order of the reference writer. */
function tensorField(name: string, tensor: HostTensor, begin: number, end: number): string {
  return `${jsonText(name)}:{"dtype":"${DTYPE_NAMES[tensor.dtype]}",` +
    `"shape":[${tensor.shape.join(",")}],"data_offsets":[${begin},${end}]}`;
}

/** The bytes of a tensor, which must have a name of its own and fit its own description. */
function tensorBytes(name: string, { dtype, shape, data }: HostTensor): number {
  if (name === METADATA_KEY) {
    throw new TypeError(
      `Cannot write a tensor: expected another name than ${METADATA_KEY}, found it`,
    );
  }
  const wanted = dtype === "float32" ? Float32Array : Int32Array;
  const bytes = checkedBytes(ITEM_BYTES[dtype], shape);
  if (data instanceof wanted && data.byteLength === bytes) return bytes;
  const expected = `${wanted.name} with ${bytes ?? "countable"} bytes for shape [${shape}]`;
  const actual = `${data.constructor.name} with ${data.byteLength}`;
  throw new TypeError(`Cannot write tensor ${quoted(name)}: expected ${expected}, found ${actual}`);
}

function jsonText(text: string): string {
  if (text.isWellFormed()) return JSON.stringify(text);
  throw new TypeError(
    `Cannot write safetensors: expected well-formed names and metadata, found ${quoted(text)}`,
  );
}

/** The header in UTF-8, with spaces up to a multiple of 8 bytes; throws for one too large. */
function paddedHeader(text: string): Uint8Array {
  if (scanJson(text, HEADER_LIMITS) !== undefined) {
    throw new RangeError(
      "Cannot write safetensors: " +
        `expected a header of at most ${HEADER_LIMITS.maxValues} values, found more`,
    );
  }
  const bytes = new TextEncoder().encode(text);
  const length = Math.ceil(bytes.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw new RangeError(
      "Cannot write safetensors: " +
        `expected a header of at most ${MAX_HEADER_BYTES} bytes, found ${length}`,
    );
  }
  const padded = new Uint8Array(length).fill(0x20);
  padded.set(bytes);
  return padded;
}
