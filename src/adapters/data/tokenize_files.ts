import type { TaskEither } from "fp-ts/TaskEither.js";
import { END_OF_TEXT } from "../../codec/gpt2_config.ts";
import { MAX_SHARD_TOKENS } from "../../codec/token_shard.ts";
import { fail } from "../../ports/attempt.ts";
import type { DataFileError } from "../../ports/data_file.ts";
import { newDirectory } from "../files/new_directory.ts";
import { guarded } from "../files/system_error.ts";
import { gpt2Tokenizer } from "./gpt2_tokenizer.ts";
import { shardWriter, type WrittenShard } from "./shard_writer.ts";
import { type TextFile, textPieces } from "./text_pieces.ts";

/** What shards are made of texts. */
export interface TokenizeOptions {
  /** An empty directory, or one that is not there yet. */
  readonly directory: string;
  /** How the names of the shards begin. */
  readonly prefix: string;
  /** Share of the bytes of all texts, at their end, that validation shards are made of; from 0 up to 1. */
  readonly validation: number;
  /** Tokens of a shard. */
  readonly shardTokens: number;
}

/** What became of texts. */
export interface TokenizeReport {
  readonly documents: number;
  readonly train: readonly WrittenShard[];
  readonly validation: readonly WrittenShard[];
}

/**
 * Makes token shards of text files, `PREFIX_train_000000.bin` and on, and `PREFIX_val_000000.bin` and on,
 * with GPT-2's BPE. Each file is a document, in the order of `paths`: <|endoftext|> and then its text. The
 * validation shards begin with <|endoftext|> where they begin in the middle of a document, too.
 *
 * The texts are read and the tokens written as it goes, in a directory that gets its name when all is done;
 * of one that fails nothing is left. Fails with DataFileUnusable.
 *
 * @throws {RangeError} for options that make no shards
 */
export function tokenizeFiles(
  paths: readonly string[],
  { directory, prefix, validation, shardTokens }: TokenizeOptions,
): TaskEither<DataFileError, TokenizeReport> {
  if (!(validation >= 0 && validation < 1)) {
    throw new RangeError(
      `Expected a share for validation from 0 up to, not including, 1, found ${validation}`,
    );
  }
  if (!Number.isInteger(shardTokens) || shardTokens < 2 || shardTokens > MAX_SHARD_TOKENS) {
    throw new RangeError(
      `Expected 2 to ${MAX_SHARD_TOKENS} tokens in a shard, found ${shardTokens}`,
    );
  }
  if (!/^[A-Za-z0-9][\w.-]*$/.test(prefix)) {
    throw new RangeError(
      "Expected a name for the shards (--prefix) of letters, digits, dots, dashes and underscores, " +
        `found "${prefix}"`,
    );
  }
  return guarded((reason) => unusable("make token shards", directory, reason), async () => {
    const files: TextFile[] = [];
    for (const path of paths) files.push({ path, bytes: await bytesOf(path) });
    const { encode } = await gpt2Tokenizer();
    return await newDirectory(directory, async (temporary) => {
      const writers = {
        train: shardWriter(temporary, `${prefix}_train`, shardTokens),
        validation: shardWriter(temporary, `${prefix}_val`, shardTokens),
      };
      try {
        await writePieces(files, encode, writers, validation);
        const train = await writers.train.close();
        const heldOut = await writers.validation.close();
        requireTokens(directory, train, heldOut, validation);
        return { documents: files.length, train, validation: heldOut };
      } finally {
        writers.train.abandon();
        writers.validation.abandon();
      }
    });
  });
}

type Writers = Readonly<Record<"train" | "validation", ReturnType<typeof shardWriter>>>;

async function writePieces(
  files: readonly TextFile[],
  encode: (text: string) => readonly number[],
  writers: Writers,
  validation: number,
): Promise<void> {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const heldOutFrom = validation === 0 ? Infinity : Math.floor(bytes * (1 - validation));
  let heldOutBegan = false;
  for await (const { text, begins, heldOut } of textPieces(files, heldOutFrom)) {
    const writer = heldOut ? writers.validation : writers.train;
    if (begins || (heldOut && !heldOutBegan)) await writer.write([END_OF_TEXT]);
    heldOutBegan ||= heldOut;
    await writer.write(encode(text));
  }
}

/** Fails where a part that was asked for has nothing in it. */
function requireTokens(
  directory: string,
  train: readonly WrittenShard[],
  heldOut: readonly WrittenShard[],
  validation: number,
): void {
  const missing = train.length === 0
    ? "training"
    : validation > 0 && heldOut.length === 0
    ? "validation"
    : undefined;
  if (missing === undefined) return;
  const reason = `expected texts with a part for ${missing}, found that ${validation} for ` +
    "validation leaves none";
  fail(unusable("make token shards", directory, reason));
}

async function bytesOf(path: string): Promise<number> {
  const found = await Deno.stat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  const expected = (what: string): never =>
    fail(unusable("read the text", path, `expected a file, found ${what}`));
  if (found === undefined) return expected("none");
  return found.isFile ? found.size : expected(found.isDirectory ? "a directory" : "something else");
}

function unusable(action: string, place: string, reason: string): DataFileError {
  return { type: "DataFileUnusable", action, place, reason };
}
