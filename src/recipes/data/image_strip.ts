import { type GrayImage, grayPng } from "../../codec/png.ts";

/** Pixels of the picture for each pixel of an image, in both directions. */
const SCALE = 4;

/** Pixels between two images. */
const GAP = 4;

/** Images of one size beside each other, as a PNG file: each pixel a square, gray between the images. */
export function imageStrip(images: readonly GrayImage[]): Uint8Array {
  const [{ width, height }] = images as readonly [GrayImage, ...GrayImage[]];
  const across = images.length * (width * SCALE + GAP) - GAP;
  const data = new Float32Array(across * height * SCALE).fill(0.5);
  for (const [place, image] of images.entries()) {
    const left = place * (width * SCALE + GAP);
    for (let row = 0; row < height * SCALE; row++) {
      for (let column = 0; column < width * SCALE; column++) {
        const pixel = Math.floor(row / SCALE) * width + Math.floor(column / SCALE);
        data[row * across + left + column] = image.data[pixel]!;
      }
    }
  }
  return grayPng({ width: across, height: height * SCALE, data });
}
