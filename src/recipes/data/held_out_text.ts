import { byteTokenizer, type Tokenizer } from "../../adapters/data/tokenizer.ts";
import type { TokenBatch } from "../../adapters/data/token_batch.ts";
import { byteTokenSource, tokenSource } from "../../adapters/data/token_source.ts";
import type { BatchSource } from "../../ports/batch_source.ts";
import { unigramEntropy } from "./unigram_entropy.ts";

/** A text to train on, and the end of it, which is held out. */
export interface HeldOutText {
  readonly train: BatchSource<TokenBatch>;
  readonly heldOut: BatchSource<TokenBatch>;
  /** Nats a token that a model pays which knows how frequent each token of the text is, and nothing else. */
  readonly entropy: number;
}

/** How a text is split. */
export interface SplitOptions {
  /** Tokens of a sample. */
  readonly context: number;
  /** The part of the text, at its end, that is held out. */
  readonly share: number;
  /** Bytes unless given. */
  readonly tokenizer?: Tokenizer;
}

/** Splits a text into samples to train on and others that are held out. */
export function heldOutText(
  name: string,
  text: string,
  { context, share, tokenizer = byteTokenizer }: SplitOptions,
): HeldOutText {
  const tokens = tokenizer === byteTokenizer
    ? new TextEncoder().encode(text)
    : Uint16Array.from(tokenizer.encode(text));
  const split = Math.floor(tokens.length * (1 - share));
  const source = (name: string, from: number, to: number) =>
    tokens instanceof Uint8Array
      ? byteTokenSource(name, tokens.subarray(from, to), context)
      : tokenSource(name, tokens.subarray(from, to), context);
  return {
    train: source(name, 0, split),
    heldOut: source(`${name}, held out`, split, tokens.length),
    entropy: unigramEntropy(tokens),
  };
}
