import type { RunConfig } from "../core/config.ts";
import type { TransformerSizes } from "../model/transformer.ts";

/**
 * The sizes that a config names (`model.layers`, `heads`, `channels`, `context`, `dropout`) of a transformer
 * over so many tokens.
 *
 * @throws {RangeError} where they make none
 */
export function transformerSizesOf({ model }: RunConfig, vocabulary: number): TransformerSizes {
  const { layers, heads, channels, context, dropout } = model as Record<string, number>;
  const sizes = { layers, heads, channels, context } as Record<string, number>;
  for (const [name, value] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`Expected model.${name} to be a whole number above 0, found ${value}`);
    }
  }
  if (channels! % heads! !== 0) {
    throw new RangeError(
      `Expected model.channels to be a multiple of model.heads, found ${channels} and ${heads}`,
    );
  }
  if (!(dropout! >= 0 && dropout! < 1)) {
    throw new RangeError(`Expected model.dropout from 0 up to, not including, 1, found ${dropout}`);
  }
  return { vocabulary, dropout, ...sizes } as TransformerSizes;
}
