import * as E from "fp-ts/Either.js";
import type { Digest } from "../core/digest.ts";
import { sha256 } from "./digest.ts";
import type { LineError } from "./envelope_codec.ts";

/** What the header of a compressed object says: docs/format.md, "Compressed objects". */
export interface CompressedHeader {
  /** How many bases are below this object: 0 exactly where it has none. */
  readonly chain: number;
  /** Length of the object's own bytes. */
  readonly plainBytes: number;
  /** The object that this one is a difference from. */
  readonly base?: Digest;
  /** SHA-256 of what follows the header. */
  readonly blocks: Digest;
}

/** Length of a header. */
export const COMPRESSED_HEADER_BYTES = 120;

/** Plain bytes of each block but the last. */
export const BLOCK_BYTES = 2 ** 20;

/** The longest chain that is written. */
export const MAX_CHAIN = 8;

const MAGIC = new TextEncoder().encode("foldlogz");
const FORMAT = 1;
const NO_BASE: Digest = "0".repeat(64);
const CHECKED_BYTES = 88;

/** The header's bytes. */
export function encodeCompressedHeader(header: CompressedHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(COMPRESSED_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, FORMAT, true);
  view.setUint32(12, header.chain, true);
  view.setBigUint64(16, BigInt(header.plainBytes), true);
  bytes.set(Uint8Array.fromHex(header.base ?? NO_BASE), 24);
  bytes.set(Uint8Array.fromHex(header.blocks), 56);
  bytes.set(Uint8Array.fromHex(sha256(bytes.subarray(0, CHECKED_BYTES))), CHECKED_BYTES);
  return bytes;
}

/** Reads a header, or says why it is none. Never throws. */
export function decodeCompressedHeader(bytes: Uint8Array): E.Either<LineError, CompressedHeader> {
  if (bytes.length < COMPRESSED_HEADER_BYTES) {
    return damaged(`expected a header of ${COMPRESSED_HEADER_BYTES} bytes, found ${bytes.length}`);
  }
  if (!MAGIC.every((byte, at) => byte === bytes[at])) {
    return damaged("expected a compressed object, found another file");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, COMPRESSED_HEADER_BYTES);
  if (sha256(bytes.subarray(0, CHECKED_BYTES)) !== digestAt(bytes, CHECKED_BYTES)) {
    return damaged("the digest of its header is another");
  }
  const format = view.getUint32(8, true);
  if (format > FORMAT) return E.left({ type: "NewerFormat", found: format, known: FORMAT });
  if (format !== FORMAT) return damaged(`expected format ${FORMAT}, found ${format}`);
  const chain = view.getUint32(12, true);
  const base = digestAt(bytes, 24);
  if (chain > MAX_CHAIN || (chain === 0) !== (base === NO_BASE)) {
    return damaged(`expected a chain of 0, or of 1 to ${MAX_CHAIN} with a base, found ${chain}`);
  }
  const plainBytes = Number(view.getBigUint64(16, true));
  if (!Number.isSafeInteger(plainBytes)) {
    return damaged(`expected at most 2^53 - 1 plain bytes, found ${plainBytes}`);
  }
  const rest = { chain, plainBytes, blocks: digestAt(bytes, 56) };
  return E.right(base === NO_BASE ? rest : { ...rest, base });
}

function damaged(reason: string): E.Either<LineError, never> {
  return E.left({ type: "Damaged", reason });
}

function digestAt(bytes: Uint8Array, at: number): Digest {
  return bytes.subarray(at, at + 32).toHex();
}
