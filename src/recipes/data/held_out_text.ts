import { byteTokenSource, type TokenBatch } from "../../adapters/data/token_source.ts";
import type { BatchSource } from "../../ports/batch_source.ts";

/** A text to train on, by its UTF-8 bytes, and the end of it, which is held out. */
export interface HeldOutText {
  readonly train: BatchSource<TokenBatch>;
  readonly heldOut: BatchSource<TokenBatch>;
  /** Nats a byte that a model pays which knows how frequent each byte of the text is, and nothing else. */
  readonly entropy: number;
}

/** Splits a text; windows of `context` bytes. `share` of it, at its end, is held out. */
export function heldOutText(
  name: string,
  text: string,
  { context, share }: { readonly context: number; readonly share: number },
): HeldOutText {
  const bytes = new TextEncoder().encode(text);
  const split = Math.floor(bytes.length * (1 - share));
  return {
    train: byteTokenSource(name, bytes.subarray(0, split), context),
    heldOut: byteTokenSource(`${name}, held out`, bytes.subarray(split), context),
    entropy: unigramEntropy(bytes),
  };
}

function unigramEntropy(bytes: Uint8Array): number {
  const counts = new Float64Array(256);
  for (const byte of bytes) counts[byte]!++;
  return counts.reduce((sum, count) => {
    const share = count / bytes.length;
    return share > 0 ? sum - share * Math.log(share) : sum;
  }, 0);
}
