import { type RngKey, uniform } from "../core/rng_key.ts";
import { nextTokenLogits } from "../model/language_model.ts";
import type { TransformerParams, TransformerSizes } from "../model/transformer.ts";
import type { Device } from "../ports/device.ts";
import { release, scoped } from "../train/ownership.ts";

/** Bytes that a sample adds to its prompt. */
const LENGTH = 280;
const TEMPERATURE = 0.7;

/**
 * Text that the model writes after `prompt`, byte by byte, drawn from softmax(logits / 0.7) with
 * `key`'s numbers. Borrows the parameters.
 */
export async function generateText(
  params: TransformerParams,
  sizes: TransformerSizes,
  key: RngKey,
  device: Device,
  prompt: string,
): Promise<string> {
  const bytes = [...new TextEncoder().encode(prompt)];
  const draws = uniform(key, LENGTH);
  for (const draw of draws) {
    const logits = scoped(() => nextTokenLogits(params, bytes.slice(-sizes.context), sizes));
    const { data } = await device.read(logits);
    release(logits);
    bytes.push(choose(data, draw));
  }
  return printable(new TextDecoder().decode(Uint8Array.from(bytes)));
}

/** A young model writes control characters too, which a terminal would obey. */
function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, "\u{fffd}");
}

/** The token at which the cumulative probability passes `draw`. */
function choose(logits: ArrayLike<number>, draw: number): number {
  const scaled = Array.from(logits, (logit) => logit / TEMPERATURE);
  const highest = Math.max(...scaled);
  const weights = scaled.map((logit) => Math.exp(logit - highest));
  let remaining = draw * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [token, weight] of weights.entries()) {
    remaining -= weight;
    if (remaining < 0) return token;
  }
  return weights.length - 1;
}
