import { byteTokenizer, type Tokenizer } from "../adapters/data/tokenizer.ts";
import { type RngKey, uniform } from "../core/rng_key.ts";
import { nextTokenLogits } from "../model/language_model.ts";
import type { TransformerParams, TransformerSizes } from "../model/transformer.ts";
import type { Device } from "../ports/device.ts";
import { release, scoped } from "../train/ownership.ts";

const TEMPERATURE = 0.7;

/** What is written, and by which tokens. */
export interface TextOptions {
  /** What the text begins with. */
  readonly prompt: string;
  /** Tokens that are added to it; 280 unless given. */
  readonly length?: number;
  /** Bytes unless given. Its vocabulary is the model's. */
  readonly tokenizer?: Tokenizer;
}

/**
 * Text that the model writes after a prompt, token by token, drawn from softmax(logits / 0.7) with `key`'s
 * numbers. Borrows the parameters.
 */
export async function generateText(
  params: TransformerParams,
  sizes: TransformerSizes,
  key: RngKey,
  device: Device,
  { prompt, length = 280, tokenizer = byteTokenizer }: TextOptions,
): Promise<string> {
  const tokens = [...tokenizer.encode(prompt)];
  const draws = uniform(key, length);
  for (const draw of draws) {
    const logits = scoped(() => nextTokenLogits(params, tokens.slice(-sizes.context), sizes));
    const { data } = await device.read(logits);
    release(logits);
    tokens.push(choose(data, draw));
  }
  return printable(tokenizer.decode(tokens));
}

/** A young model writes control characters too, which a terminal would obey. */
function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, "\u{fffd}");
}

/** The token at which the cumulative probability passes `draw`. */
function choose(logits: ArrayLike<number>, draw: number): number {
  const scaled = Array.from(logits, (logit) => logit / TEMPERATURE);
  const highest = scaled.reduce((a, b) => Math.max(a, b));
  const weights = scaled.map((logit) => Math.exp(logit - highest));
  let remaining = draw * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [token, weight] of weights.entries()) {
    remaining -= weight;
    if (remaining < 0) return token;
  }
  return weights.length - 1;
}
