import { basename, join } from "node:path";
import type { WrittenShard } from "../adapters/data/shard_writer.ts";
import {
  tokenizeFiles,
  type TokenizeOptions,
  type TokenizeReport,
} from "../adapters/data/tokenize_files.ts";
import type { TaskEither } from "fp-ts/TaskEither.js";
import type { DataFileError } from "../ports/data_file.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, printJson } from "./context.ts";
import { counted } from "./counted.ts";
import { UsageError } from "./usage_error.ts";

/** As many tokens as the shards of FineWeb have that llm.c's own script makes. */
const SHARD_TOKENS = 100_000_000;

/** Makes token shards of text files. */
export async function run(args: ArgumentsOf<"tokenize">): Promise<number> {
  const { files, out, validation = 0, shardTokens = SHARD_TOKENS } = args;
  if (files.includes("") || out === "") {
    throw new UsageError("Expected the names of files and a directory, found an empty text.");
  }
  const prefix = args.prefix ?? basename(out);
  const options = { directory: out, prefix, validation, shardTokens };
  const report = await orExit(tokenizing(files, options));
  if (args.json) {
    printJson({ directory: out, prefix, ...report });
    return 0;
  }
  console.log(`${counted(report.documents, "document")} of GPT-2's tokens, in ${out}:`);
  sayShards("training", report.train, join(out, `${prefix}_train_*.bin`));
  if (validation > 0) sayShards("validation", report.validation, join(out, `${prefix}_val_*.bin`));
  return 0;
}

/** The work; options that make no shards are a mistake at the command line. */
function tokenizing(
  files: readonly string[],
  options: TokenizeOptions,
): TaskEither<DataFileError, TokenizeReport> {
  try {
    return tokenizeFiles(files, options);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`${error.message}.`);
    throw error;
  }
}

function sayShards(what: string, shards: readonly WrittenShard[], pattern: string): void {
  const tokens = shards.reduce((sum, shard) => sum + shard.tokens, 0);
  const count = tokens.toLocaleString("en-US");
  console.log(`  ${what}: ${count} tokens in ${counted(shards.length, "shard")}, ${pattern}`);
}
