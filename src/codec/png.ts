import { encode } from "fast-png";

/** Shades of gray, row by row, from 0 (black) to 1 (white): [height, width]. */
export interface GrayImage {
  readonly width: number;
  readonly height: number;
  readonly data: ArrayLike<number>;
}

/**
 * An image as a PNG file (ISO/IEC 15948) of 8 bits a pixel: the same bytes for the same pixels on every
 * machine. What is outside of 0 to 1 is black or white; NaN is black.
 *
 * @throws {RangeError} where there are not as many pixels as the sizes say
 */
export function grayPng({ width, height, data }: GrayImage): Uint8Array {
  if (width * height !== data.length || data.length === 0) {
    throw new RangeError(
      `Expected ${width} x ${height} pixels, at least one, found ${data.length}`,
    );
  }
  const pixels = Uint8Array.from(
    data,
    (value) => Math.round(255 * Math.min(1, Math.max(0, value))),
  );
  return encode({ width, height, data: pixels, channels: 1, depth: 8 });
}
