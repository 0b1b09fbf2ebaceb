import { createHash } from "node:crypto";
import * as E from "fp-ts/Either.js";
import { describeFormatError } from "../../codec/format_error.ts";
import { sha256 } from "../../codec/digest.ts";
import {
  decodeShardHeader,
  decodeTokens,
  SHARD_HEADER_BYTES,
  type ShardHeader,
  TOKEN_BYTES,
} from "../../codec/token_shard.ts";
import type { Digest } from "../../core/digest.ts";
import { openForReading } from "../files/positioned_file.ts";

/** A shard of tokens that has been looked at. */
export interface Shard extends ShardHeader {
  readonly path: string;
  /** Of its header, its size and the blocks that are looked at: see docs/format.md, "Token shards". */
  readonly digest: Digest;
}

/** Blocks of a shard that its digest is over, and the bytes of each. */
const BLOCKS = 16;
const BLOCK_BYTES = 4096;

/**
 * Looks at a shard: its header, its size, and blocks of its tokens.
 *
 * @throws {RangeError} where it is none, or has a token there that is not below `vocabulary`
 */
export function shardAt(path: string, vocabulary: number): Shard {
  const { isFile, size } = Deno.statSync(path);
  if (!isFile) throw new RangeError(`Expected a token shard at ${path}, found no regular file`);
  using file = openForReading(path);
  const start = new Uint8Array(Math.min(SHARD_HEADER_BYTES, size));
  file.read(0, start);
  const header = decodeShardHeader(start, size);
  if (E.isLeft(header)) {
    throw new RangeError(`Cannot read the tokens at ${path}: ${describeFormatError(header.left)}`);
  }
  const { kind } = header.right;
  const hash = createHash("sha256");
  hash.update(start).update(`${size}\n`);
  for (const offset of blockOffsets(size, TOKEN_BYTES[kind])) {
    const block = new Uint8Array(Math.min(BLOCK_BYTES, size - offset));
    file.read(offset, block);
    hash.update(block);
    const odd = decodeTokens(kind, block).find((token) => token >= vocabulary);
    if (odd !== undefined) {
      throw new RangeError(
        `Expected tokens below ${vocabulary}, the vocabulary, in ${path}, found ${odd}`,
      );
    }
  }
  return { ...header.right, path, digest: hash.digest("hex") };
}

/** The digest of shards in their order, over those of each. */
export function digestOfShards(shards: readonly Shard[]): Digest {
  return sha256(...shards.map(({ digest }) => `${digest}\n`));
}

/** Where the blocks of a file begin: evenly spread over its tokens, the first and the last among them. */
function blockOffsets(size: number, tokenBytes: number): readonly number[] {
  const room = Math.max(0, size - SHARD_HEADER_BYTES - BLOCK_BYTES);
  const offsets = Array.from({ length: BLOCKS }, (_, block) => {
    const exact = room * block / (BLOCKS - 1);
    return SHARD_HEADER_BYTES + Math.floor(exact / tokenBytes) * tokenBytes;
  });
  return [...new Set(offsets)];
}
