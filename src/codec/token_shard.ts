import * as E from "fp-ts/Either.js";
import type { FormatError } from "./format_error.ts";
import { headerIntegers, headerOf, LLMC_HEADER_BYTES } from "./llmc_header.ts";

/** What the tokens of a shard are: GPT-2's of 2 bytes each, or Llama 3's of 4. */
export type ShardKind = "gpt-2" | "llama-3";

/** What the header of a token shard says. */
export interface ShardHeader {
  readonly kind: ShardKind;
  /** Tokens of the shard, which follow the header. */
  readonly tokens: number;
}

/** Bytes of a token of each kind: unsigned, little-endian. */
export const TOKEN_BYTES: Readonly<Record<ShardKind, 2 | 4>> = { "gpt-2": 2, "llama-3": 4 };

/** The most tokens that the header of a shard can count. */
export const MAX_SHARD_TOKENS = 2 ** 31 - 1;

/** Where the tokens of a shard begin. */
export const SHARD_HEADER_BYTES = LLMC_HEADER_BYTES;

/** The first two integers of a shard: what it is, and its version. */
const MARKS: Readonly<Record<ShardKind, readonly [magic: number, version: number]>> = {
  "gpt-2": [20240520, 1],
  "llama-3": [20240801, 7],
};

/**
 * Reads the header of a token shard of llm.c (dev/data/data_common.py there), `start` being the first 1024
 * bytes of a file of `fileBytes`, or what there is. The file has exactly the tokens that it counts.
 */
export function decodeShardHeader(
  start: Uint8Array,
  fileBytes: number,
): E.Either<FormatError, ShardHeader> {
  if (start.length < SHARD_HEADER_BYTES) {
    return bad("the header is cut off", `${SHARD_HEADER_BYTES} bytes`, `${start.length}`);
  }
  const [magic, version, tokens] = headerIntegers(start, 3) as [number, number, number];
  const kind = KINDS.find((kind) => MARKS[kind][0] === magic);
  if (kind === undefined) {
    const known = KINDS.map((kind) => `${MARKS[kind][0]} (${kind})`).join(" or ");
    return bad("not a token shard of llm.c: bad magic number", known, `${magic}`);
  }
  const [, known] = MARKS[kind];
  if (version !== known) {
    return bad("bad version", `${known}, as ${kind} has it`, `${version}`);
  }
  if (tokens < 1) return bad("bad number of tokens", "at least 1", `${tokens}`);
  const bytes = SHARD_HEADER_BYTES + TOKEN_BYTES[kind] * tokens;
  if (fileBytes !== bytes) {
    return bad(`bad size for ${tokens} tokens`, `${bytes} bytes`, `${fileBytes}`);
  }
  return E.right({ kind, tokens });
}

/**
 * The header of a shard.
 *
 * @throws {RangeError} unless it has 1 to 2^31 - 1 tokens
 */
export function encodeShardHeader({ kind, tokens }: ShardHeader): Uint8Array<ArrayBuffer> {
  if (!Number.isInteger(tokens) || tokens < 1 || tokens > MAX_SHARD_TOKENS) {
    throw new RangeError(`Expected 1 to ${MAX_SHARD_TOKENS} tokens in a shard, found ${tokens}`);
  }
  return headerOf([...MARKS[kind], tokens]);
}

/** Tokens as the bytes of a shard; each must be below 2^16, or 2^32 of Llama 3's. */
export function encodeTokens(kind: ShardKind, tokens: readonly number[]): Uint8Array<ArrayBuffer> {
  const end = 2 ** (8 * TOKEN_BYTES[kind]);
  const odd = tokens.find((token) => !Number.isInteger(token) || token < 0 || token >= end);
  if (odd !== undefined) {
    throw new RangeError(`Expected tokens from 0 to ${end - 1} in a shard, found ${odd}`);
  }
  const encoded = kind === "gpt-2" ? Uint16Array.from(tokens) : Uint32Array.from(tokens);
  return new Uint8Array(encoded.buffer);
}

/** The tokens that bytes of a shard are, which begin and end with whole tokens. Copies them. */
export function decodeTokens(kind: ShardKind, bytes: Uint8Array): Uint16Array | Uint32Array {
  const { buffer } = new Uint8Array(bytes); // aligned, however `bytes` lie
  return kind === "gpt-2" ? new Uint16Array(buffer) : new Uint32Array(buffer);
}

const KINDS = Object.keys(MARKS) as readonly ShardKind[];

function bad(reason: string, expected: string, actual: string): E.Either<FormatError, never> {
  return E.left({ reason, expected, actual });
}
