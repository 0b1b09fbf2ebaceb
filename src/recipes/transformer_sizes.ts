import { GPT2_VOCABULARY } from "../codec/gpt2_config.ts";
import type { RunConfig, Settings } from "../core/config.ts";
import type { TensorGroup } from "../core/snapshot.ts";
import type { TransformerSizes } from "../model/transformer.ts";
import { gptShapeOf } from "./gpt_weights.ts";
import { shareSetting, wholeSettings } from "./own_settings.ts";

/**
 * The sizes that a config names (`model.layers`, `heads`, `channels`, `context`, `dropout`) of a transformer
 * over so many tokens.
 *
 * @throws {RangeError} where they make none
 */
export function transformerSizesOf({ model }: RunConfig, vocabulary: number): TransformerSizes {
  const names = ["layers", "heads", "channels", "context"] as const;
  const { layers, heads, channels, context } = wholeSettings("model", model, names);
  if (channels % heads !== 0) {
    throw new RangeError(
      `Expected model.channels to be a multiple of model.heads, found ${channels} and ${heads}`,
    );
  }
  const dropout = shareSetting("model", model, "dropout");
  return { vocabulary, dropout, layers, heads, channels, context };
}

/**
 * The settings of a GPT by its weights, `model.vocabulary` among them. Where the number of heads is not known
 * and the tokens are GPT-2's, they have 64 channels each, as GPT-2's do.
 *
 * @throws {RangeError} where they are another model's, or nobody knows how many heads it has
 */
export function gptSettingsOf(weights: TensorGroup, heads?: number): Settings {
  const { layers, channels, context, vocabulary } = gptShapeOf(weights);
  const ofGpt2 = vocabulary === GPT2_VOCABULARY && channels % 64 === 0 ? channels / 64 : undefined;
  if (heads === undefined && ofGpt2 === undefined) {
    throw new RangeError(
      "Expected weights that say how many heads they are for: a directory with config.json, or " +
        "--set model.heads=N; found none",
    );
  }
  return { layers, heads: heads ?? ofGpt2!, channels, context, vocabulary };
}

/**
 * As `gptSettingsOf`, of a GPT over bytes: without the vocabulary.
 *
 * @throws {RangeError} for one over other tokens, too
 */
export function byteGptSettingsOf(weights: TensorGroup, heads?: number): Settings {
  const { vocabulary, ...settings } = gptSettingsOf(weights, heads);
  if (vocabulary === 256) return settings as Settings;
  throw new RangeError(`Expected a model of bytes, with 256 tokens, found one of ${vocabulary}`);
}
