import * as tf from "@tensorflow/tfjs";
import { requireInteger } from "../../core/require_integer.ts";
import { currentPrecision, withPrecision } from "../precision.ts";
import { float32, type Kernel, run } from "./kernel.ts";
import { dense, product, SUM_ROWS } from "./product.ts";
import { withGradient } from "./with_gradient.ts";

/** A window, and how far it moves from one position to the next. */
export type Window = {
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly stride: number;
};

/** Images [items, height, width, channels]. */
export type Images = {
  readonly items: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
};

/**
 * Of images [items, height, width, channels]: what each position of the window sees,
 * [items outHeight outWidth, kernelHeight kernelWidth channels], 0 where it is outside of the image.
 */
export const PATCHES: Kernel<Window> = {
  name: "foldlog.Patches",
  results: ([x], window) => {
    const { items, height, width, channels } = imagesOf(x!.shape);
    const { kernelHeight, kernelWidth, stride } = window;
    const rows = items * positions(height, stride) * positions(width, stride);
    return [float32([rows, kernelHeight * kernelWidth * channels])];
  },
};

/**
 * Of patches, as `PATCHES` makes them of images of these sizes: images, each element the sum of those of the
 * patches that came from it, in the order of their places in the window, row by row.
 */
export const ADD_PATCHES: Kernel<Images & Window> = {
  name: "foldlog.AddPatches",
  results: (_patches, { items, height, width, channels }) => [
    float32([items, height, width, channels]),
  ],
};

/** Where a window stands over an image, and in how many positions. */
export interface Geometry extends Images, Window {
  readonly outHeight: number;
  readonly outWidth: number;
  /** Rows and columns of the window before the pixel that it stands over: floor((k - 1) / 2). */
  readonly top: number;
  readonly left: number;
}

/** The positions of a window over images. */
export function geometryOf(images: Images, window: Window): Geometry {
  return {
    ...images,
    ...window,
    outHeight: positions(images.height, window.stride),
    outWidth: positions(images.width, window.stride),
    top: Math.floor((window.kernelHeight - 1) / 2),
    left: Math.floor((window.kernelWidth - 1) / 2),
  };
}

/** The sizes of images of a shape [items, height, width, channels]. */
export function imagesOf(shape: readonly number[]): Images {
  const [items, height, width, channels] = shape as [number, number, number, number];
  return { items, height, width, channels };
}

/**
 * Convolution (cross-correlation, as everywhere in the field) of x [n, height, width, in] with a kernel
 * [kernelHeight, kernelWidth, in, out] and a bias [out]: [n, ceil(height / stride), ceil(width / stride),
 * out], zeros outside of x. The kernel's row ky at the output's row i sees row i stride + ky -
 * floor((kernelHeight - 1) / 2) of x, columns alike. For kernels of odd sizes these are the positions of
 * PyTorch's `padding = k // 2`, at any stride; TensorFlow's "same" has others where the stride is not 1.
 *
 * Computed as a product of what each position sees, so in the order of products; x's gradient adds up at
 * each pixel, in the order of the kernel's places. What the positions see is `kernelHeight kernelWidth /
 * stride^2` times as large as x: it is made again for the gradient, and held of one convolution at a
 * time; where it is too large for a device, a smaller `batch.micro` helps. A kernel of 1 x 1 at stride 1 is
 * a product of x itself.
 *
 * In mixed precision (`withPrecision`) x, the kernel and the gradient that comes in are rounded as those of
 * `dense` are.
 *
 * @example
 * ```ts
 * import { convolution, openDevice, orThrow } from "foldlog";
 * import * as tf from "foldlog/tf";
 *
 * await orThrow(openDevice("cpu"));
 * const x = tf.ones<tf.Rank.R4>([1, 5, 4, 3]);
 * const y = convolution(x, tf.ones([3, 3, 3, 8]), tf.zeros([8]), { stride: 2 });
 * if (y.shape.join() !== "1,3,2,8") throw new Error(`${y.shape}`);
 * ```
 * @throws {RangeError} for shapes that do not fit, or a stride that is no integer from 1 below 2^31
 */
export function convolution(
  x: tf.Tensor4D,
  kernel: tf.Tensor4D,
  bias: tf.Tensor1D,
  { stride = 1 }: { readonly stride?: number } = {},
): tf.Tensor4D {
  requireInteger("stride", stride, 1, 2 ** 31 - 1);
  requireShapes(x.shape, kernel.shape, bias.shape);
  const [kernelHeight, kernelWidth, , outputs] = kernel.shape;
  const window = { kernelHeight, kernelWidth, stride };
  const images = imagesOf(x.shape);
  const { items, outHeight, outWidth } = geometryOf(images, window);
  const y = patchwise(x, tf.reshape(kernel, [-1, outputs]), bias, images, window);
  return tf.reshape(y, [items, outHeight, outWidth, outputs]);
}

/** What each position sees times the weights [kernelHeight kernelWidth in, out], plus the bias. */
function patchwise(
  x: tf.Tensor4D,
  weights: tf.Tensor2D,
  bias: tf.Tensor1D,
  images: Images,
  window: Window,
): tf.Tensor2D {
  const { kernelHeight, kernelWidth, stride } = window;
  if (kernelHeight * kernelWidth * stride === 1) {
    return dense(tf.reshape(x, [-1, images.channels]), weights, bias);
  }
  const precision = currentPrecision(); // a gradient is computed after its scope has ended
  const patchesOf = (input: tf.Tensor) => run(PATCHES, [input], window)[0] as tf.Tensor2D;
  const added = (seen: tf.Tensor) => run(ADD_PATCHES, [seen], { ...images, ...window })[0]!;
  // tfjs frees what a gradient leaves behind when all gradients are there: the tidies free it at once.
  return withGradient(
    [x, weights, bias],
    ([input, matrix, shift]) => ({
      value: dense(patchesOf(input!), matrix as tf.Tensor2D, shift as tf.Tensor1D),
      saved: [input!, matrix!],
    }),
    (dy, [input, matrix]) =>
      withPrecision(precision, () => [
        tf.tidy(() => added(product(dy, matrix!, { transposeB: true }))),
        tf.tidy(() => product(patchesOf(input!), dy, { transposeA: true })),
        run(SUM_ROWS, [dy], {})[0]!,
      ]),
  );
}

/** How many positions a window has along so many pixels. */
function positions(pixels: number, stride: number): number {
  return Math.ceil(pixels / stride);
}

function requireShapes(
  x: readonly number[],
  kernel: readonly number[],
  bias: readonly number[],
): void {
  if (x.length !== 4 || x.slice(1).includes(0)) {
    throw new RangeError(`Expected images [n, height, width, channels], found [${x}]`);
  }
  if (kernel.length !== 4 || kernel[2] !== x[3] || kernel.includes(0)) {
    throw new RangeError(
      `Expected a kernel [height, width, ${x[3]}, out] for images [${x}], found [${kernel}]`,
    );
  }
  if (bias.join() === `${kernel[3]}`) return;
  throw new RangeError(
    `Expected a bias [${kernel[3]}] for a kernel [${kernel}], found [${bias}]`,
  );
}
