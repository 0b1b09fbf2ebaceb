/** A text as numbers, and back. */
export interface Tokenizer {
  /** Every token is below this. */
  readonly vocabulary: number;
  readonly encode: (text: string) => readonly number[];
  /** The text of tokens; what is no UTF-8, as where a character was cut, is U+FFFD. */
  readonly decode: (tokens: readonly number[]) => string;
}

/** Each byte of UTF-8 is a token. */
export const byteTokenizer: Tokenizer = {
  vocabulary: 256,
  encode: (text) => [...new TextEncoder().encode(text)],
  decode: (tokens) => new TextDecoder().decode(Uint8Array.from(tokens)),
};
