import { GPT2_VOCABULARY } from "../../codec/gpt2_config.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * GPT-2's byte pair encoding (Radford et al., 2019), by the package gpt-tokenizer, whose table is loaded
 * here. A text that has the letters `<|endoftext|>` is encoded as any other: it cannot end a document.
 */
export async function gpt2Tokenizer(): Promise<Tokenizer> {
  const { encode, decode } = await import("gpt-tokenizer/encoding/r50k_base");
  const nothingSpecial = { disallowedSpecial: new Set<string>() };
  return {
    vocabulary: GPT2_VOCABULARY,
    encode: (text) => encode(text, nothingSpecial),
    decode: (tokens) => decode(tokens),
  };
}
