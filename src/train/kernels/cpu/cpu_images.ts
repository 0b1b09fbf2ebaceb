import type { Attributes } from "../kernel.ts";
import { type Geometry, geometryOf, type Images, imagesOf, type Window } from "../convolution.ts";
import type { CpuKernel } from "./register_cpu_kernels.ts";

/** What each position of a window sees. */
export const patches: CpuKernel<Window> = ([x], [rows], window) => {
  const geometry = geometryOf(imagesOf(x!.shape), window);
  forEachPixelSeen(geometry, (pixel, place) => {
    rows!.data.set(x!.data.subarray(pixel, pixel + geometry.channels), place);
  });
};

/** The sums of what positions saw of each pixel. */
export const addPatches: CpuKernel<Images & Window> = ([rows], [x], attributes) => {
  const { channels } = attributes;
  const totals = new Float64Array(x!.data.length);
  forEachPixelSeen(geometryOf(attributes, attributes), (pixel, place) => {
    for (let j = 0; j < channels; j++) totals[pixel + j]! += rows!.data[place + j]!;
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

/** Calls `visit` with where a pixel is, and where what a position sees of it, for all that lie in the image. */
function forEachPixelSeen(
  geometry: Geometry,
  visit: (pixel: number, place: number) => void,
): void {
  const { items, height, width, channels, kernelHeight, kernelWidth, stride } = geometry;
  const { outHeight, outWidth, top, left } = geometry;
  let place = 0;
  for (let position = 0; position < items * outHeight * outWidth; position++) {
    const item = Math.floor(position / (outHeight * outWidth));
    const y = Math.floor(position / outWidth) % outHeight * stride - top;
    const x = position % outWidth * stride - left;
    for (let ky = 0; ky < kernelHeight; ky++) {
      for (let kx = 0; kx < kernelWidth; kx++, place += channels) {
        const [row, column] = [y + ky, x + kx];
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        visit(((item * height + row) * width + column) * channels, place);
      }
    }
  }
}
