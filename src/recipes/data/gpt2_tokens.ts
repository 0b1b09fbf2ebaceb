import { gpt2Tokenizer } from "../../adapters/data/gpt2_tokenizer.ts";
import { tokenShards } from "../../adapters/data/token_shards.ts";
import type { TokenBatch } from "../../adapters/data/token_batch.ts";
import type { BatchSource } from "../../ports/batch_source.ts";
import { heldOutText } from "./held_out_text.ts";
import { mobyDick } from "./moby_dick.ts";

/** Tokens to train on, and others to evaluate with, where there are any. */
export interface Gpt2Tokens {
  readonly train: BatchSource<TokenBatch>;
  readonly heldOut?: BatchSource<TokenBatch>;
  /** Nats a token that a model pays which knows how frequent each is, where all of them were looked at. */
  readonly entropy?: number;
}

/** Where tokens are, and how they are given. */
export interface Gpt2TokenOptions {
  /** Patterns of token shards; without `train` it is Moby-Dick. */
  readonly train: string;
  readonly validation: string;
  readonly context: number;
  readonly vocabulary: number;
}

/** Share of Moby-Dick, at its end, that is held out. */
const HELD_OUT = 0.05;

/**
 * Tokens of shards, or those of Moby-Dick, which GPT-2's BPE makes of it in a second.
 *
 * @throws {RangeError} where there are none
 */
export async function gpt2Tokens(options: Gpt2TokenOptions): Promise<Gpt2Tokens> {
  const { train, validation } = options;
  if (train !== "") {
    return {
      train: await tokenShards(train, options),
      ...(validation !== "" && { heldOut: await tokenShards(validation, options) }),
    };
  }
  if (validation !== "") {
    throw new RangeError(
      `Expected data.train to name shards where data.validation does, found "" and "${validation}"`,
    );
  }
  return await tokensOfMobyDick(options);
}

async function tokensOfMobyDick(
  { context, vocabulary }: Gpt2TokenOptions,
): Promise<Gpt2Tokens> {
  const tokenizer = await gpt2Tokenizer();
  if (vocabulary < tokenizer.vocabulary) {
    throw new RangeError(
      `Expected model.vocabulary of at least ${tokenizer.vocabulary}, GPT-2's tokens, found ` +
        `${vocabulary}; ` +
        "data.train names shards of other tokens",
    );
  }
  return heldOutText("moby-dick", await mobyDick(), { context, share: HELD_OUT, tokenizer });
}
