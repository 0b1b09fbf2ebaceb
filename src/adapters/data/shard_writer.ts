import { encodeShardHeader, encodeTokens, SHARD_HEADER_BYTES } from "../../codec/token_shard.ts";
import { writeAll } from "../files/durable_file.ts";

/** A shard that was written. */
export interface WrittenShard {
  readonly name: string;
  readonly tokens: number;
}

/** Writes tokens to shards of GPT-2's, one after the other. */
export interface ShardWriter {
  readonly write: (tokens: readonly number[]) => Promise<void>;
  /** Ends the last shard, and says which there are. */
  readonly close: () => Promise<readonly WrittenShard[]>;
  /** Lets go of the file that is open, if one is, unfinished. */
  readonly abandon: () => void;
}

/**
 * Writes shards `PREFIX_000000.bin`, `PREFIX_000001.bin`, ... into a directory, each of `shardTokens` tokens
 * but the last. Each is durable when the next begins.
 */
export function shardWriter(directory: string, prefix: string, shardTokens: number): ShardWriter {
  const written: WrittenShard[] = [];
  let file: Deno.FsFile | undefined;
  let tokens = 0;

  const nameOf = (shard: number) => `${prefix}_${String(shard).padStart(6, "0")}.bin`;

  async function begin(): Promise<Deno.FsFile> {
    const path = `${directory}/${nameOf(written.length)}`;
    const opened = await Deno.open(path, { createNew: true, write: true });
    await writeAll(opened, new Uint8Array(SHARD_HEADER_BYTES)); // no shard until its tokens are counted
    return opened;
  }

  async function end(): Promise<void> {
    if (file === undefined) return;
    await file.seek(0, Deno.SeekMode.Start);
    await writeAll(file, encodeShardHeader({ kind: "gpt-2", tokens }));
    await file.sync();
    abandon();
    written.push({ name: nameOf(written.length), tokens });
    tokens = 0;
  }

  function abandon(): void {
    file?.close();
    file = undefined;
  }

  return {
    async write(all) {
      for (let from = 0; from < all.length;) {
        file ??= await begin();
        const part = all.slice(from, from + shardTokens - tokens);
        await writeAll(file, encodeTokens("gpt-2", part));
        tokens += part.length;
        from += part.length;
        if (tokens === shardTokens) await end();
      }
    },
    async close() {
      await end();
      return written;
    },
    abandon,
  };
}
