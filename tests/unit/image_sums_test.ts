import assert from "node:assert/strict";
import type { Backend, Device } from "foldlog";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { bits, foldIn, key } from "../../src/core/rng_key.ts";
import {
  ADD_PATCHES,
  geometryOf,
  type Images,
  type Window,
} from "../../src/train/kernels/convolution.ts";
import { run } from "../../src/train/kernels/kernel.ts";
import { UPSAMPLE_GRADIENT } from "../../src/train/kernels/upsample.ts";
import { backendTest } from "../support/backends.ts";

// The orders in which the kernels of images promise to add, written down as loops. The terms are so far
// apart in size, and so often opposite, that each other order has other sums, in float64 as well.

/** Where a kernel rounds a sum: the cpu backend adds in float64 and rounds once. */
type Rounding = (value: number) => number;
const roundingOf = (backend: Backend): Rounding => backend === "cpu" ? (sum) => sum : Math.fround;

interface Case {
  readonly images: Images;
  readonly window: Window;
}

/** Channels in fours and not, each place of the window seen, positions over the edges. */
const CASES: readonly Case[] = [
  { images: imagesOf(2, 6, 5, 4), window: windowOf(3, 3, 1) },
  { images: imagesOf(1, 5, 7, 3), window: windowOf(5, 4, 2) },
  { images: imagesOf(2, 7, 6, 20), window: windowOf(5, 5, 2) },
  { images: imagesOf(1, 9, 8, 6), window: windowOf(4, 5, 1) },
];

for (const backend of BACKENDS) {
  for (const { images, window } of CASES) {
    const { kernelHeight, kernelWidth, stride } = window;
    const claim =
      `AddPatches adds up ${kernelHeight} x ${kernelWidth} places at stride ${stride} ` +
      `in ${images.channels} channels in the order of the window's places`;
    backendTest(backend, claim, async (device) => {
      const rounding = roundingOf(backend);
      const { items, outHeight, outWidth } = geometryOf(images, window);
      const places = kernelHeight * kernelWidth;
      const shape: [number, number] = [items * outHeight * outWidth, places * images.channels];
      const rows = drawn(shape[0] * shape[1]);
      const rowByRow = Array.from({ length: places }, (_, place) => place);
      const sums = (order: readonly number[]) => addedUp(rows, images, window, order, rounding);
      const found = await computed(device, () => {
        const seen = tf.tensor2d(rows, shape);
        return [seen, ...run(ADD_PATCHES, [seen], { ...images, ...window })];
      });
      assert.deepEqual(found, sums(rowByRow));
      const columnOf = (place: number) => place % kernelWidth;
      assert.notDeepEqual(found, sums(rowByRow.toReversed()));
      assert.notDeepEqual(found, sums(rowByRow.toSorted((a, b) => columnOf(a) - columnOf(b))));
    });
  }

  backendTest(
    backend,
    "UpsampleGradient adds the pair of the upper row to that of the lower",
    async (device) => {
      const add = (a: number, b: number) => roundingOf(backend)(a + b);
      for (const [items, height, width, channels] of [[2, 3, 4, 8], [1, 4, 3, 7]] as const) {
        const dy = drawn(items * 4 * height * width * channels);
        const sums = (sum: (square: Square) => number) =>
          Float32Array.from(squaresOf(dy, width, channels), sum);
        const found = await computed(device, () => {
          const given = tf.tensor4d(dy, [items, 2 * height, 2 * width, channels]);
          return [given, ...run(UPSAMPLE_GRADIENT, [given], {})];
        });
        assert.deepEqual(found, sums(([a, b, c, d]) => add(add(a, b), add(c, d))));
        assert.notDeepEqual(found, sums(([a, b, c, d]) => add(add(add(a, b), c), d)));
        assert.notDeepEqual(found, sums(([a, b, c, d]) => add(add(a, c), add(b, d))));
        assert.notDeepEqual(found, sums(([a, b, c, d]) => add(add(a, d), add(b, c))));
      }
    },
  );
}

/** The sums at all pixels of what positions saw of them, the places of the window in some order. */
function addedUp(
  rows: Float32Array,
  images: Images,
  window: Window,
  order: readonly number[],
  rounding: Rounding,
): Float32Array {
  const { items, height, width, channels, kernelHeight, kernelWidth, stride, ...geometry } =
    geometryOf(images, window);
  const { outHeight, outWidth, top, left } = geometry;
  const places = kernelHeight * kernelWidth;
  const sums = new Array<number>(items * height * width * channels).fill(0);
  for (const place of order) {
    for (let position = 0; position < items * outHeight * outWidth; position++) {
      const item = Math.floor(position / (outHeight * outWidth));
      const i = Math.floor(position / outWidth) % outHeight;
      const y = i * stride + Math.floor(place / kernelWidth) - top;
      const x = position % outWidth * stride + place % kernelWidth - left;
      if (y < 0 || y >= height || x < 0 || x >= width) continue;
      for (let channel = 0; channel < channels; channel++) {
        const at = ((item * height + y) * width + x) * channels + channel;
        sums[at] = rounding(sums[at]! + rows[(position * places + place) * channels + channel]!);
      }
    }
  }
  return Float32Array.from(sums);
}

type Square = readonly [
  upperLeft: number,
  upperRight: number,
  lowerLeft: number,
  lowerRight: number,
];

/** The four elements of dy that each element of images half as high and wide got, in their order. */
function squaresOf(dy: Float32Array, width: number, channels: number): readonly Square[] {
  const line = 2 * width * channels;
  return Array.from({ length: dy.length / 4 }, (_, at) => {
    const row = Math.floor(at / (width * channels));
    const column = Math.floor(at / channels) % width;
    const upper = 2 * row * line + 2 * column * channels + at % channels;
    const all = [upper, upper + channels, upper + line, upper + line + channels];
    return all.map((index) => dy[index]!) as unknown as Square;
  });
}

/** The elements of the last of the tensors that are made; frees them all. */
async function computed(device: Device, make: () => readonly tf.Tensor[]) {
  const tensors = make();
  const { data } = await device.read(tensors.at(-1)!);
  tf.dispose([...tensors]);
  return data;
}

/**
 * Elements of which half are 2^100 or -2^100, beside which the others, around 1, are nothing; sums of these
 * have more digits than a float32.
 */
function drawn(length: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(bits(foldIn(key(7), length), length), (word) => {
    const size = word & 0x100 ? 2 ** 100 : 1 + (word >>> 10) / 2 ** 22;
    return word & 0x200 ? size : -size;
  });
}

function imagesOf(items: number, height: number, width: number, channels: number): Images {
  return { items, height, width, channels };
}

function windowOf(kernelHeight: number, kernelWidth: number, stride: number): Window {
  return { kernelHeight, kernelWidth, stride };
}
