import { gpt2Tokenizer } from "../../adapters/data/gpt2_tokenizer.ts";
import { byteTokenizer, type Tokenizer } from "../../adapters/data/tokenizer.ts";

/**
 * What makes the tokens of a model of so many: bytes, or GPT-2's.
 *
 * @throws {RangeError} for another number
 */
export async function tokenizerFor(vocabulary: number): Promise<Tokenizer> {
  if (vocabulary === byteTokenizer.vocabulary) return byteTokenizer;
  const gpt2 = await gpt2Tokenizer();
  if (vocabulary === gpt2.vocabulary) return gpt2;
  throw new RangeError(
    `Expected model.vocabulary to be ${byteTokenizer.vocabulary}, of bytes, or ` +
      `${gpt2.vocabulary}, of GPT-2's tokens, found ${vocabulary}`,
  );
}
