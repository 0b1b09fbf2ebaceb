import type { TensorGroup } from "../core/snapshot.ts";

/** What the weights of a GPT tell of it: all but its heads. */
export interface GptShape {
  readonly layers: number;
  readonly channels: number;
  readonly context: number;
  readonly vocabulary: number;
}

/**
 * The sizes of the GPT that has these weights, by GPT-2's names.
 *
 * @throws {RangeError} where they are no GPT's
 */
export function gptShapeOf(weights: TensorGroup): GptShape {
  const [vocabulary, channels] = tableShape(weights, "wte.weight");
  const [context] = tableShape(weights, "wpe.weight");
  const layers = [...weights.keys()].filter((name) => /^h\.\d+\.ln_1\.weight$/.test(name)).length;
  return { layers, channels, context, vocabulary };
}

function tableShape(weights: TensorGroup, name: string): readonly [number, number] {
  const shape = weights.get(name)?.shape ?? [];
  if (shape.length === 2) return shape as unknown as [number, number];
  const found = weights.has(name) ? `[${shape}]` : "none";
  throw new RangeError(`Expected weights of a GPT, with a table "${name}", found ${found}`);
}
