import { encodeShardHeader, encodeTokens, type ShardKind } from "../../src/codec/token_shard.ts";

/** Writes a token shard. */
export async function writeShard(
  path: string,
  tokens: readonly number[],
  kind: ShardKind = "gpt-2",
): Promise<void> {
  const header = encodeShardHeader({ kind, tokens: tokens.length });
  await Deno.writeFile(path, Uint8Array.of(...header, ...encodeTokens(kind, tokens)));
}

/** `count` tokens from `first` on, one more each. */
export function counting(first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}
