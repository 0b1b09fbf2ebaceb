import type { Attributes } from "../kernel.ts";
import { type Geometry, geometryOf, type Images, imagesOf, type Window } from "../convolution.ts";
import type { CpuKernel } from "./register_cpu_kernels.ts";

/** What each position of a window sees. */
export const patches: CpuKernel<Window> = ([x], [rows], window) => {
  const geometry = geometryOf(imagesOf(x!.shape), window);
  forEachPixelSeen(geometry, (pixel, seen) => {
    rows!.data.set(x!.data.subarray(pixel, pixel + geometry.channels), seen);
  });
};

/** The sums of what positions saw of each pixel, in the order of its places in the window. */
export const addPatches: CpuKernel<Images & Window> = ([rows], [x], attributes) => {
  const { channels } = attributes;
  const totals = new Float64Array(x!.data.length);
  forEachPixelSeen(geometryOf(attributes, attributes), (pixel, seen) => {
    for (let j = 0; j < channels; j++) totals[pixel + j]! += rows!.data[seen + j]!;
  });
  x!.data.set(totals);
};

/** Each pixel four times. */
export const upsample: CpuKernel<Attributes> = ([x], [y]) => {
  const { width, channels } = imagesOf(y!.shape);
  const line = width / 2 * channels;
  y!.data.forEach((_, at) => {
    const row = Math.floor(at / (width * channels));
    const column = Math.floor(at / channels) % width;
    const pixel = Math.floor(row / 2) * line + Math.floor(column / 2) * channels;
    y!.data[at] = x!.data[pixel + at % channels]!;
  });
};

/** The sums of squares of four pixels. */
export const upsampleGradient: CpuKernel<Attributes> = ([dy], [dx]) => {
  const { width, channels } = imagesOf(dx!.shape);
  const line = 2 * width * channels;
  dx!.data.forEach((_, at) => {
    const row = Math.floor(at / (width * channels));
    const column = Math.floor(at / channels) % width;
    const upper = 2 * row * line + 2 * column * channels + at % channels;
    const pair = (left: number) => dy!.data[left]! + dy!.data[left + channels]!;
    dx!.data[at] = pair(upper) + pair(upper + line);
  });
};

/**
 * Calls `visit` with where a pixel is, and where what a position sees of it: for all that lie in the image,
 * those of one place in the window after another.
 */
function forEachPixelSeen(
  geometry: Geometry,
  visit: (pixel: number, seen: number) => void,
): void {
  const { items, height, width, channels, kernelHeight, kernelWidth, stride } = geometry;
  const { outHeight, outWidth, top, left } = geometry;
  const places = kernelHeight * kernelWidth;
  for (let place = 0; place < places; place++) {
    const ky = Math.floor(place / kernelWidth);
    const kx = place % kernelWidth;
    for (let position = 0; position < items * outHeight * outWidth; position++) {
      const item = Math.floor(position / (outHeight * outWidth));
      const y = Math.floor(position / outWidth) % outHeight * stride + ky - top;
      const x = position % outWidth * stride + kx - left;
      if (y < 0 || y >= height || x < 0 || x >= width) continue;
      const pixel = ((item * height + y) * width + x) * channels;
      visit(pixel, (position * places + place) * channels);
    }
  }
}
