import type * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../../../core/host_tensor.ts";
import { type Geometry, geometryOf, type Images, imagesOf, type Window } from "../convolution.ts";
import type { Attributes } from "../kernel.ts";
import { dispatch } from "./dispatch.ts";
import { elementsOf } from "./elements.ts";
import type { Gpu, WebGpuKernel } from "./register_webgpu_kernels.ts";

const INVOCATIONS = 64;

/** Invocations that share out the channels of a pixel, at most, where each row has several. */
const LANES = 16;

/** What each position of a window sees: each place in each of them. */
export const patches: WebGpuKernel<Window> = (gpu, [x], [seen], window) => {
  const geometry = geometryOf(imagesOf(x!.shape), window);
  const { kernelHeight, kernelWidth, stride } = window;
  forEachPixel(gpu, {
    name: `foldlog.Patches ${kernelHeight} ${kernelWidth} ${stride}`,
    read: "x",
    write: "seen",
    uniforms: ["height", "width", "outHeight", "outWidth"],
    source: `${constantsOf(geometry)}
fn each(place: u32, lane: u32) {
  let kx = place % KERNEL_WIDTH;
  let ky = place / KERNEL_WIDTH % KERNEL_HEIGHT;
  let position = place / (KERNEL_WIDTH * KERNEL_HEIGHT);
  let line = position / u.outWidth;
  // Before the first row or column, these are large numbers.
  let column = position % u.outWidth * STRIDE + kx - LEFT;
  let row = line % u.outHeight * STRIDE + ky - TOP;
  let item = line / u.outHeight;
  let inside = row < u.height && column < u.width;
  let pixel = (item * u.height + row) * u.width + column;
  for (var i = lane; i < u.channels; i += LANES) {
    var value = T(0f);
    if (inside) { value = x[pixel * u.channels + i]; }
    seen[place * u.channels + i] = value;
  }
}`,
  }, { x, seen, ...geometry });
};

/** The sums of what positions saw of each pixel, in the order of its places in the window. */
export const addPatches: WebGpuKernel<Images & Window> = (gpu, [seen], [x], attributes) => {
  const geometry = geometryOf(attributes, attributes);
  const { kernelHeight, kernelWidth, stride } = attributes;
  forEachPixel(gpu, {
    name: `foldlog.AddPatches ${kernelHeight} ${kernelWidth} ${stride}`,
    read: "seen",
    write: "x",
    uniforms: ["height", "width", "outHeight", "outWidth"],
    source: `${constantsOf(geometry)}
fn each(pixel: u32, lane: u32) {
  let across = pixel % u.width + LEFT;
  let down = pixel / u.width % u.height + TOP;
  let item = pixel / (u.width * u.height);
  for (var i = lane; i < u.channels; i += LANES) {
    var sum = T(0f);
    // Before the first position, these are large numbers.
    for (var ky = down % STRIDE; ky < KERNEL_HEIGHT; ky += STRIDE) {
      let row = down / STRIDE - ky / STRIDE;
      if (row >= u.outHeight) { continue; }
      for (var kx = across % STRIDE; kx < KERNEL_WIDTH; kx += STRIDE) {
        let column = across / STRIDE - kx / STRIDE;
        if (column >= u.outWidth) { continue; }
        let position = (item * u.outHeight + row) * u.outWidth + column;
        let place = (position * KERNEL_HEIGHT + ky) * KERNEL_WIDTH + kx;
        sum += seen[place * u.channels + i];
      }
    }
    x[pixel * u.channels + i] = sum;
  }
}`,
  }, { seen, x, ...geometry });
};

/** Each pixel four times. */
export const upsample: WebGpuKernel<Attributes> = (gpu, [x], [y]) => {
  const { width, channels } = imagesOf(x!.shape);
  forEachPixel(gpu, {
    name: "foldlog.Upsample",
    read: "x",
    write: "y",
    uniforms: ["width"],
    source: `
fn each(pixel: u32, lane: u32) {
  let column = pixel % (2u * u.width);
  let row = pixel / (2u * u.width);
  let source = row / 2u * u.width + column / 2u;
  for (var i = lane; i < u.channels; i += LANES) {
    y[pixel * u.channels + i] = x[source * u.channels + i];
  }
}`,
  }, { x, y, width, channels });
};

/** The sums of squares of four pixels. */
export const upsampleGradient: WebGpuKernel<Attributes> = (gpu, [dy], [dx]) => {
  const { width, channels } = imagesOf(dx!.shape);
  forEachPixel(gpu, {
    name: "foldlog.UpsampleGradient",
    read: "dy",
    write: "dx",
    uniforms: ["width"],
    source: `
fn each(pixel: u32, lane: u32) {
  let column = pixel % u.width;
  let row = pixel / u.width;
  let upper = (4u * row * u.width + 2u * column) * u.channels;
  let lower = upper + 2u * u.width * u.channels;
  for (var i = lane; i < u.channels; i += LANES) {
    let above = dy[upper + i] + dy[upper + u.channels + i];
    let below = dy[lower + i] + dy[lower + u.channels + i];
    dx[pixel * u.channels + i] = above + below;
  }
}`,
  }, { dy, dx, width, channels });
};

/** A computation of each pixel of a tensor [..., channels], of elements of type `T`. */
interface PixelProgram {
  readonly name: string;
  readonly read: string;
  readonly write: string;
  readonly uniforms: readonly string[];
  /**
   * Declares `fn each(pixel: u32, lane: u32)`, which writes the elements from `lane` on that are `LANES`
   * apart, up to `u.channels`.
   */
  readonly source: string;
}

/** What a program is given: its tensors, and its numbers. `channels` is counted in floats. */
type PixelBindings = Readonly<Record<string, tf.TensorInfo | number | undefined>> & {
  readonly channels: number;
};

/** Computes all pixels of the tensor that is written, and of `patches` all places in their windows. */
function forEachPixel(
  { backend, widths }: Gpu,
  { name, read, write, uniforms, source }: PixelProgram,
  bindings: PixelBindings,
): void {
  const elements = elementsOf(bindings.channels);
  const channels = bindings.channels / elements.width;
  const lanes = widths.row === 1 ? 1 : Math.min(LANES, 2 ** Math.ceil(Math.log2(channels)));
  const pixels = sizeOf((bindings[write] as tf.TensorInfo).shape) / bindings.channels;
  const all = ["pixels", "channels", ...uniforms].map((uniform) => [uniform, "u32"] as const);
  const program = {
    name: `${name} ${elements.type} ${lanes}`,
    reads: { [read]: elements.type },
    writes: { [write]: elements.type },
    uniforms: Object.fromEntries(all),
    invocations: INVOCATIONS,
    source: `${elements.source}
const LANES = ${lanes}u;
${source}
fn kernel(group: u32, local: u32) {
  let pixel = group * ${INVOCATIONS / lanes}u + local / LANES;
  if (pixel < u.pixels) { each(pixel, local % LANES); }
}`,
  };
  const groups = Math.ceil(pixels * lanes / INVOCATIONS);
  dispatch(backend, program, { ...bindings, channels, pixels }, groups);
}

function constantsOf({ kernelHeight, kernelWidth, stride, top, left }: Geometry): string {
  return `const KERNEL_HEIGHT = ${kernelHeight}u;
const KERNEL_WIDTH = ${kernelWidth}u;
const STRIDE = ${stride}u;
const TOP = ${top}u;
const LEFT = ${left}u;`;
}
