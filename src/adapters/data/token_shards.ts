import { basename } from "node:path";
import { decodeTokens, SHARD_HEADER_BYTES, TOKEN_BYTES } from "../../codec/token_shard.ts";
import type { BatchSource } from "../../ports/batch_source.ts";
import { matchingPaths } from "../files/matching_paths.ts";
import { openForReading } from "../files/positioned_file.ts";
import { isSystemError } from "../files/system_error.ts";
import { digestOfShards, type Shard, shardAt } from "./token_shard_file.ts";
import type { TokenBatch } from "./token_batch.ts";
import { windowsOfFiles } from "./windows_of_files.ts";

/** What is wanted of token shards. */
export interface TokenShardOptions {
  /** Tokens of a sample. */
  readonly context: number;
  /** Every token is below this. */
  readonly vocabulary: number;
}

/**
 * Next-token windows over token shards of llm.c, with random access: the files that `pattern` matches
 * (`*`, `?`), in sorted order.
 *
 * Sample i of a shard has the tokens i * context to (i + 1) * context, the first `context` of them as
 * `tokens` and the last as `targets`; what is left at the end of a shard is too short for one and is not
 * used. Read in order (`data.shuffle` false), a batch of B samples is llm.c's batch of B rows: it too moves
 * by as many tokens as it trains on and reads one more. llm.c leaves out what is too short for a whole
 * batch, up to B - 1 windows a shard; here they belong to a batch that goes on in the next shard.
 *
 * Nothing is kept in memory but where the shards lie, and no file stays open: a batch opens each shard
 * that it has samples of once, which takes a tenth of a millisecond, and reads just those. Offsets are right
 * beyond 2 GiB. The identity's digest is that of docs/format.md, "Token shards".
 *
 * @throws {RangeError} where the pattern matches nothing, a file is no shard, has a token that is not of
 * the vocabulary as far as the digest sees it, or there is not one whole window. `at` throws one for a
 * token of a batch that is not of the vocabulary.
 */
export async function tokenShards(
  pattern: string,
  { context, vocabulary }: TokenShardOptions,
): Promise<BatchSource<TokenBatch>> {
  const shards = await shardsOf(pattern, vocabulary);
  const counts = shards.map(({ tokens }) => Math.floor((tokens - 1) / context));
  const { samples, at } = windowsOfFiles(counts, context, (number) => {
    const shard = shards[number]!;
    const file = openForReading(shard.path);
    return {
      windowOf(sample) {
        const window = windowOf(shard, file.read, sample * context, context + 1);
        requireKnown(shard, window, sample * context, vocabulary);
        return window;
      },
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  });
  if (samples < 1) {
    const longest = Math.max(...shards.map(({ tokens }) => tokens));
    throw new RangeError(
      `Expected a shard of at least ${context + 1} tokens in ${pattern} for a context of ` +
        `${context}, found at most ${longest}`,
    );
  }
  const identity = {
    name: `${pattern}, windows of ${context} tokens`,
    samples,
    digest: digestOfShards(shards),
    files: shards.map(({ path }, shard) => ({ name: basename(path), samples: counts[shard]! })),
  };

  return { identity, at };
}

async function shardsOf(pattern: string, vocabulary: number): Promise<readonly Shard[]> {
  try {
    return (await matchingPaths(pattern)).map((path) => shardAt(path, vocabulary));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new RangeError(`Cannot read the tokens of ${pattern}: ${error.message}`);
  }
}

/** Tokens of a shard from token `first` on. */
function windowOf(
  { kind, path }: Shard,
  read: (offset: number, bytes: Uint8Array) => number,
  first: number,
  count: number,
): Uint16Array | Uint32Array {
  const bytes = new Uint8Array(TOKEN_BYTES[kind] * count);
  const found = read(SHARD_HEADER_BYTES + TOKEN_BYTES[kind] * first, bytes);
  if (found < bytes.length) {
    throw new RangeError(
      `Expected ${count} tokens of ${path} from token ${first} on, found the end of the file: it ` +
        "has become shorter",
    );
  }
  return decodeTokens(kind, bytes);
}

/** Throws a RangeError for a token that is not of the vocabulary. */
function requireKnown(
  { path }: Shard,
  tokens: Uint16Array | Uint32Array,
  first: number,
  vocabulary: number,
): void {
  const place = tokens.findIndex((token) => token >= vocabulary);
  if (place < 0) return;
  throw new RangeError(
    `Expected tokens below ${vocabulary}, the vocabulary, in ${path}, found ${tokens[place]} at ` +
      `token ${first + place}`,
  );
}
