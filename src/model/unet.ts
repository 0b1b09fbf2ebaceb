import * as tf from "@tensorflow/tfjs";
import { requireInteger } from "../core/require_integer.ts";
import type { RngKey } from "../core/rng_key.ts";
import { convolution } from "../train/kernels/convolution.ts";
import { gelu } from "../train/kernels/gelu.ts";
import { upsample } from "../train/kernels/upsample.ts";
import { drawnUniform } from "./drawn.ts";
import { initNorm, type Norm, normed } from "./layers.ts";

/** Sizes of a U-Net. */
export interface UnetSizes {
  /** Numbers at each pixel of an input. */
  readonly inputs: number;
  /** Numbers to be estimated at each pixel, or classes of pixels. */
  readonly outputs: number;
  /** Channels of each level, from the images' own size on; each level has half the height and width. */
  readonly channels: readonly number[];
}

/** Parameters of a convolution: kernel [height, width, in, out] and bias [out]. */
export type Convolution = { readonly kernel: tf.Tensor4D; readonly bias: tf.Tensor1D };

/** Two convolutions of 3 x 3, and the normalisation of what each makes. */
export type UnetBlock = readonly (Convolution & { readonly norm: Norm })[];

/** Levels are counted from the images' own size on. Kernels are [height, width, in, out], PyTorch's permuted. */
export type UnetParams = {
  /** The block of each level on the way down. */
  readonly encode: readonly UnetBlock[];
  /** From each level to the next: a convolution of 3 x 3 at stride 2. */
  readonly down: readonly Convolution[];
  /** To each level from the next: a convolution of 3 x 3, after upsampling. */
  readonly up: readonly Convolution[];
  /** The block of each level on the way up; the lowest has none. */
  readonly decode: readonly UnetBlock[];
  /** A convolution of 1 x 1. */
  readonly head: Convolution;
};

/**
 * Initial parameters (He et al., 2015): kernels uniform within gain sqrt(3 / in), where in counts all that
 * a position sees, with a gain of sqrt(2) before GELU, as `initMlp` has it, else of 1; biases are zero.
 *
 * @throws {RangeError} for no levels, or sizes that are no positive integers
 */
export function initUnet({ inputs, outputs, channels }: UnetSizes, key: RngKey): UnetParams {
  requireInteger("inputs", inputs, 1);
  requireInteger("outputs", outputs, 1);
  requireInteger("levels", channels.length, 1);
  channels.forEach((width, level) => requireInteger(`channels of level ${level}`, width, 1));
  const made = (path: string, size: number, from: number, to: number, gain = 1): Convolution => {
    const bound = gain * Math.sqrt(3 / (size * size * from));
    return {
      kernel: drawnUniform<tf.Rank.R4>(key, path, [size, size, from, to], bound),
      bias: tf.zeros([to]),
    };
  };
  const block = (path: string, from: number, to: number): UnetBlock =>
    [from, to].map((width, place) => ({
      ...made(`${path}.${place}`, 3, width, to, Math.SQRT2),
      norm: initNorm(to),
    }));
  const lower = channels.slice(1);
  return {
    encode: channels.map((to, level) => block(`encode.${level}`, level === 0 ? inputs : to, to)),
    down: lower.map((to, level) => made(`down.${level}`, 3, channels[level]!, to)),
    up: lower.map((from, level) => made(`up.${level}`, 3, from, channels[level]!)),
    decode: lower.map((_, level) =>
      block(`decode.${level}`, 2 * channels[level]!, channels[level]!)
    ),
    head: made("head", 1, channels[0]!, outputs),
  };
}

/**
 * Outputs [n, height, width, outputs] of images `x` [n, height, width, inputs], whose height and width are
 * multiples of 2^(levels - 1).
 *
 * A U-Net (Ronneberger, Fischer and Brox, 2015): on each level a block, halved by a convolution at stride 2
 * down to the last, and back by nearest upsampling and a convolution, beside which the block on the way up
 * gets what that on the way down made. A block is, twice, a convolution of 3 x 3, a normalisation over the
 * channels of each pixel, as in ConvNeXt (Liu et al., 2022), and GELU. For a loss, see `regressionLoss`
 * and `classificationLoss`.
 *
 * @example A task whose data are "inputs" [n, 4, 4, 3] and "targets" [n, 4, 4] (int32), a class a pixel.
 * ```ts
 * import { classificationLoss, initUnet, key, unetOutputs, type UnetParams } from "foldlog";
 * import { openDevice, orThrow } from "foldlog";
 * import * as tf from "foldlog/tf";
 *
 * const sizes = { inputs: 3, outputs: 2, channels: [4, 8] };
 * await orThrow(openDevice("cpu"));
 * const params = initUnet(sizes, key(42));
 * const loss = classificationLoss<UnetParams>((params, inputs) => unetOutputs(params, inputs, sizes));
 * const targets = tf.ones([1, 4, 4], "int32");
 * const value = loss(params, { inputs: tf.ones([1, 4, 4, 3]), targets });
 * if (value.rank !== 0) throw new Error("not a scalar");
 * ```
 * @throws {RangeError} for images of another shape
 */
export function unetOutputs(
  { encode, down, up, decode, head }: UnetParams,
  x: tf.Tensor,
  sizes: Pick<UnetSizes, "inputs" | "channels">,
): tf.Tensor4D {
  const skips: tf.Tensor4D[] = [];
  let y = images(x, sizes);
  for (const [level, block] of encode.entries()) {
    y = throughBlock(y, block);
    if (level === down.length) break; // the lowest
    skips.push(y);
    y = convolved(y, down[level]!, 2);
  }
  for (const level of decode.keys().toArray().reverse()) {
    const risen = convolved(upsample(y), up[level]!);
    y = throughBlock(tf.concat([skips[level]!, risen], 3), decode[level]!);
  }
  return convolved(y, head);
}

function throughBlock(x: tf.Tensor4D, block: UnetBlock): tf.Tensor4D {
  return block.reduce((x, { norm, ...layer }) => {
    const y = convolved(x, layer);
    const rows = tf.reshape<tf.Rank.R2>(y, [-1, y.shape[3]]);
    return tf.reshape(gelu(normed(rows, norm)), y.shape);
  }, x);
}

function convolved(x: tf.Tensor4D, { kernel, bias }: Convolution, stride = 1): tf.Tensor4D {
  return convolution(x, kernel, bias, { stride });
}

/** x, which is images of the sizes that a U-Net takes. */
function images(x: tf.Tensor, sizes: Pick<UnetSizes, "inputs" | "channels">): tf.Tensor4D {
  const multiple = 2 ** (sizes.channels.length - 1);
  const [, height = 0, width = 0, inputs] = x.shape;
  const fits = height % multiple === 0 && width % multiple === 0 && height * width > 0;
  if (x.rank === 4 && fits && inputs === sizes.inputs) return x as tf.Tensor4D;
  throw new RangeError(
    `Expected images [n, height, width, ${sizes.inputs}] of height and width divisible by ` +
      `${multiple}, for ${sizes.channels.length} levels, found [${x.shape}]`,
  );
}
