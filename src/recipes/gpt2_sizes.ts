import type { RunConfig, Settings } from "../core/config.ts";
import type { TensorGroup } from "../core/snapshot.ts";
import type { TransformerSizes } from "../model/transformer.ts";
import { gptShapeOf } from "./gpt_weights.ts";
import { shareSetting, wholeSettings } from "./own_settings.ts";

/** What a name such as "d12" stands for: its number is the layers. */
interface Size {
  readonly layers: number;
  readonly heads: number;
  readonly channels: number;
}

/**
 * The sizes by name: d2 to d12 with 64 channels a layer, as heads of 64 (d12 is GPT-2, 124M parameters), and
 * the larger GPT-2s, d24 (355M), d36 (774M) and d48 (1558M), as Radford et al. (2019) have them.
 */
const SIZES: ReadonlyMap<string, Size> = new Map([
  ...Array.from({ length: 11 }, (_, index) => index + 2)
    .map((depth) => [`d${depth}`, { layers: depth, heads: depth, channels: 64 * depth }] as const),
  ["d24", { layers: 24, heads: 16, channels: 1024 }],
  ["d36", { layers: 36, heads: 20, channels: 1280 }],
  ["d48", { layers: 48, heads: 25, channels: 1600 }],
]);

/**
 * The sizes that a config names (`model.size`, `context`, `vocabulary`, `dropout`) of a GPT-2.
 *
 * @throws {RangeError} where they make none
 */
export function gpt2SizesOf({ model }: RunConfig): TransformerSizes {
  const { size } = model;
  const known = SIZES.get(String(size));
  if (known === undefined) {
    throw new RangeError(
      `Expected model.size to be one of ${[...SIZES.keys()].join(", ")}, found "${size}"`,
    );
  }
  const { context, vocabulary } = wholeSettings("model", model, ["context", "vocabulary"]);
  const dropout = shareSetting("model", model, "dropout");
  return { ...known, context, vocabulary, dropout };
}

/**
 * The settings of the GPT-2 that has these weights, and so many heads where that is known.
 *
 * @throws {RangeError} where they are no GPT-2's of one of the sizes
 */
export function gpt2SettingsOf(weights: TensorGroup, heads?: number): Settings {
  const { layers, channels, context, vocabulary } = gptShapeOf(weights);
  const found = [...SIZES].find(([, size]) =>
    size.layers === layers && size.channels === channels && size.heads === (heads ?? size.heads)
  );
  if (found === undefined) {
    throw new RangeError(
      `Expected weights of one of the sizes ${
        [...SIZES.keys()].join(", ")
      }, found ${layers} layers ` +
        `of ${channels} channels${heads === undefined ? "" : ` and ${heads} heads`}`,
    );
  }
  return { size: found[0], context, vocabulary };
}
