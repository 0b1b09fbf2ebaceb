import { sha256 } from "../../codec/digest.ts";
import type { HostTensor } from "../../core/host_tensor.ts";
import { permutation } from "../../core/permutation.ts";
import { foldIn, key, type RngKey, uniform } from "../../core/rng_key.ts";
import { arraySource } from "../../adapters/data/array_source.ts";
import type { BatchSource } from "../../ports/batch_source.ts";
import { DIGIT_SIZE, digits } from "./digits.ts";

/** Least and greatest height and width of what is hidden of a digit, in pixels. */
const SIDES = [7, 12] as const;

/** Pixels at each edge of an image that have no ink in nearly all digits, and are never hidden. */
const MARGIN = 3;

/** Digits of which a rectangle is hidden. */
export type MaskedBatch = {
  /**
   * [n, 28, 28, 2]: the image, from -1 (paper) to 1 (ink) and 0 where it is hidden, and the mask, 1 where it is.
   * Paper is no zero: a norm over channels that are all 0 has gradients beyond what float16 can hold.
   */
  readonly inputs: HostTensor;
  /** [n, 28, 28, 1]: the whole image, from 0 to 1. */
  readonly targets: HostTensor;
};

/**
 * Digits of some classes, mixed, and of each a rectangle that is to be filled: its sides and its place are
 * random numbers of a key that the digit's number is folded into, so that a digit has one mask for good.
 */
export async function maskedDigits(
  options: Parameters<typeof digits>[0] & { readonly classes: readonly number[] },
): Promise<BatchSource<MaskedBatch>> {
  const { images } = await digits(options);
  const { from, to, classes } = options;
  const { identity, at } = arraySource("digits", { images });
  const mixed = permutation(key(0), identity.samples);
  const masks = foldIn(key(0), "masks");
  return {
    identity: {
      name: `masked digits ${classes.join(", ")} of mnist, ${from} to ${to} of each`,
      samples: identity.samples,
      digest: sha256(`masked ${SIDES.join(" ")} ${MARGIN}`, identity.digest),
    },
    async at(samples) {
      const numbers = samples.map(mixed);
      const { images: targets } = await at(numbers);
      return { inputs: masked(targets, numbers.map((number) => foldIn(masks, number))), targets };
    },
  };
}

/** Images with their masks beside them: [n, 28, 28, 2]. */
function masked({ data }: HostTensor, keys: readonly RngKey[]): HostTensor {
  const pixels = DIGIT_SIZE * DIGIT_SIZE;
  const inputs = new Float32Array(keys.length * pixels * 2);
  for (const [place, key] of keys.entries()) {
    const hides = rectangleOf(key);
    for (let pixel = 0; pixel < pixels; pixel++) {
      const hidden = hides(Math.floor(pixel / DIGIT_SIZE), pixel % DIGIT_SIZE);
      const at = place * pixels + pixel;
      inputs[2 * at] = hidden ? 0 : 2 * data[at]! - 1;
      inputs[2 * at + 1] = hidden ? 1 : 0;
    }
  }
  return { dtype: "float32", shape: [keys.length, DIGIT_SIZE, DIGIT_SIZE, 2], data: inputs };
}

/** Whether the rectangle of a key hides the pixel at a row and a column. */
function rectangleOf(key: RngKey): (row: number, column: number) => boolean {
  const [tall, wide, down, right] = uniform(key, 4);
  const [rows, top] = span(tall!, down!);
  const [columns, left] = span(wide!, right!);
  return (row, column) =>
    row >= top && row < top + rows && column >= left && column < left + columns;
}

/** The length of a side and where it begins, of two numbers from 0 up to 1. */
function span(long: number, away: number): readonly [length: number, begin: number] {
  const [least, greatest] = SIDES;
  const length = least + Math.floor(long * (greatest - least + 1));
  const begin = MARGIN + Math.floor(away * (DIGIT_SIZE - 2 * MARGIN - length + 1));
  return [length, begin];
}
