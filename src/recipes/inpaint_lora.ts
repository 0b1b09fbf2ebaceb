import { peftFiles } from "../codec/peft_layout.ts";
import { unetFiles } from "../codec/unet_layout.ts";
import { defaultConfig, mergeConfig, type RunConfig, type Settings } from "../core/config.ts";
import { foldIn } from "../core/rng_key.ts";
import { inpaintingLoss, inpaintingMeasures } from "../model/inpainting.ts";
import { initLora, type LoraOptions, withLora } from "../model/lora.ts";
import { mergedWeights } from "../model/merged_weights.ts";
import { initUnet, unetOutputs, type UnetParams, type UnetSizes } from "../model/unet.ts";
import { defineTask, type Task } from "../ports/task.ts";
import type { Predict } from "../model/supervised_loss.ts";
import type { Tree } from "../train/tree.ts";
import { DIGIT_SIZE } from "./data/digits.ts";
import { maskedDigits } from "./data/masked_digits.ts";
import { inpaintedStrips } from "./inpainted_strips.ts";
import { wholeSettings } from "./own_settings.ts";
import type { Recipe } from "./recipe.ts";

/** Levels of the U-Net, and channels of the first, which double from each to the next. */
const MODEL = { levels: 3, channels: 8 };

const TRAINING = {
  batch: { size: 16, micro: 16 },
  precision: "mixed_float16",
  clip: { norm: 1 },
  model: MODEL,
  save: { every: 100 },
  evaluate: { every: 100, batches: 12 },
} as const;

/** The U-Net that `inpaint-lora` adapts: it has seen the digits 0 to 4 only. */
export const inpaintBase: Recipe = {
  name: "inpaint-base",
  module: import.meta.url,
  description:
    "a small U-Net that fills what is hidden of the digits 0 to 4: the base of inpaint-lora",
  config: mergeConfig(defaultConfig, {
    ...TRAINING,
    steps: { max: 600 },
    optimizer: { learningRate: 3e-3, weightDecay: 0.01 },
    schedule: { name: "cosine", warmupSteps: 30, factor: 0.05 },
  }),
  base: {},
  exports: { hf: (weights, { model }) => unetFiles(weights, unetSizes(model)) },
  async task({ model }) {
    const sizes = unetSizes(model);
    const predict: Predict<UnetParams> = (params, inputs) => unetOutputs(params, inputs, sizes);
    return defineTask({
      name: inpaintBase.name,
      init: (key) => initUnet(sizes, key),
      ...await filling(predict, [0, 1, 2, 3, 4]),
    });
  },
};

/** Its weights frozen, and adapters (Hu et al., 2021) of its convolutions that learn the other digits. */
export const inpaintLora: Recipe = {
  name: "inpaint-lora",
  module: import.meta.url,
  description:
    "LoRA adapters on a frozen U-Net, which learn to fill what is hidden of the digits 5 to 9",
  config: mergeConfig(defaultConfig, {
    ...TRAINING,
    steps: { max: 400 },
    optimizer: { learningRate: 5e-3 },
    schedule: { name: "cosine", warmupSteps: 20, factor: 0.05 },
    model: { ...MODEL, loraRank: 4, loraAlpha: 8 },
  }),
  base: { into: "base", trained: { recipe: inpaintBase.name, run: inpaintBase.name } },
  exports: {
    hf: (weights, { model }) => unetFiles(weights, unetSizes(model)),
    peft(weights, config, base) {
      const { rank, alpha } = loraOptions(config);
      return peftFiles(weights, { base, rank, alpha, fanInFanOut: false });
    },
    merged: (weights, config) =>
      mergedWeights(weights, {
        ...loraOptions(config),
        halves: config.precision === "mixed_float16",
      }),
  },
  async task(config) {
    const sizes = unetSizes(config.model);
    const options = loraOptions(config);
    const predict: Predict<Adapted> = ({ base, lora }, inputs) =>
      unetOutputs(withLora(base, lora, options), inputs, sizes);
    return defineTask({
      name: inpaintLora.name,
      trainable: "lora.*",
      init(key): Adapted {
        const base = initUnet(sizes, foldIn(key, "base"));
        return { base, lora: initLora(base, options, foldIn(key, "lora")) };
      },
      ...await filling(predict, [5, 6, 7, 8, 9]),
    });
  },
};

/** The frozen U-Net, and an adapter for each of its kernels. */
type Adapted = { readonly base: UnetParams; readonly lora: Tree };

/** What both learn: to fill what is hidden of digits, nine in ten of them, tried on the others. */
async function filling<P extends Tree>(predict: Predict<P>, classes: readonly number[]) {
  const data = await maskedDigits({ from: 0, to: 0.9, classes });
  const heldOut = await maskedDigits({ from: 0.9, to: 1, classes });
  const loss = inpaintingLoss(predict);
  return {
    data,
    loss,
    evaluation: { data: heldOut, loss, measures: inpaintingMeasures(predict) },
    artifacts: inpaintedStrips(predict, heldOut),
  } satisfies Partial<Task<P>>;
}

/** @throws {RangeError} for settings that make no U-Net for digits */
function unetSizes(model: Settings): UnetSizes {
  const { levels, channels } = wholeSettings("model", model, ["levels", "channels"]);
  if (DIGIT_SIZE % 2 ** (levels - 1) !== 0) {
    throw new RangeError(
      `Expected model.levels from 1 to 3, images of ${DIGIT_SIZE} x ${DIGIT_SIZE} pixels being ` +
        `halved from each to the next, found ${levels}`,
    );
  }
  const widths = Array.from({ length: levels }, (_, level) => channels * 2 ** level);
  return { inputs: 2, outputs: 1, channels: widths };
}

function loraOptions({ model }: RunConfig): LoraOptions {
  const { loraRank: rank } = wholeSettings("model", model, ["loraRank"]);
  const { loraAlpha: alpha } = model;
  if (typeof alpha !== "number" || !(alpha > 0 && alpha < Infinity)) {
    throw new RangeError(`Expected model.loraAlpha to be a number above 0, found ${alpha}`);
  }
  return { rank, alpha, targets: ["*.kernel"] };
}
