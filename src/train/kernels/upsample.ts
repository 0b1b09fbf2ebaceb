import type * as tf from "@tensorflow/tfjs";
import { float32, type Kernel, run } from "./kernel.ts";
import { withGradient } from "./with_gradient.ts";

/** Of images [n, height, width, channels]: [n, 2 height, 2 width, channels], each pixel four times. */
export const UPSAMPLE: Kernel = {
  name: "foldlog.Upsample",
  results: ([x]) => [resized(x!.shape, (pixels) => 2 * pixels)],
};

/**
 * Of images [n, 2 height, 2 width, channels]: [n, height, width, channels], each pixel the sum of four,
 * (left + right) of the upper row + (left + right) of the lower.
 */
export const UPSAMPLE_GRADIENT: Kernel = {
  name: "foldlog.UpsampleGradient",
  results: ([dy]) => [resized(dy!.shape, (pixels) => pixels / 2)],
};

/**
 * x [n, height, width, channels] at twice its height and width, each pixel the one of x that it lies in:
 * PyTorch's `Upsample(scale_factor=2)`, which is "nearest". The gradient of a pixel is the sum of its four,
 * in one order.
 *
 * @throws {RangeError} unless x has four dimensions
 */
export function upsample(x: tf.Tensor4D): tf.Tensor4D {
  if (x.shape.length !== 4) {
    throw new RangeError(`Expected images [n, height, width, channels], found [${x.shape}]`);
  }
  return withGradient(
    [x],
    ([input]) => ({ value: run(UPSAMPLE, [input!], {})[0]!, saved: [] }),
    (dy) => run(UPSAMPLE_GRADIENT, [dy], {}),
  );
}

function resized([items, height, width, channels]: readonly number[], by: (n: number) => number) {
  return float32([items!, by(height!), by(width!), channels!]);
}
