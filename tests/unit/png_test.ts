import assert from "node:assert/strict";
import { inflateSync } from "node:zlib";
import { grayPng, sha256 } from "foldlog/codec";

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

Deno.test("grayPng() is a PNG of 8 bits a pixel, as its standard says", () => {
  const data = [0, 0.5, 1, 1 / 255, -1, 2, NaN, 0.25];
  const file = grayPng({ width: 4, height: 2, data });
  assert.deepEqual(file.slice(0, 8), SIGNATURE);
  const chunks = chunksOf(file);
  assert.deepEqual([...chunks.keys()], ["IHDR", "IDAT", "IEND"]);
  const header = new DataView(chunks.get("IHDR")!.slice().buffer);
  assert.deepEqual([header.getUint32(0), header.getUint32(4)], [4, 2]);
  assert.deepEqual([...chunks.get("IHDR")!.slice(8)], [8, 0, 0, 0, 0]); // 8 bits, gray, no interlace
  const rows = inflateSync(chunks.get("IDAT")!);
  assert.deepEqual(unfiltered(rows, 4), [0, 128, 255, 1, 0, 255, 0, 64]);
});

Deno.test("grayPng() of the same pixels has the same bytes on every machine", () => {
  const data = Float32Array.from({ length: 28 * 28 }, (_, pixel) => (pixel * 7919 % 256) / 255);
  assert.equal(
    sha256(grayPng({ width: 28, height: 28, data })),
    "368c49e5c5bbebf652529611cfa1aa46eb626b89cfc3616d2469d37c58f88556",
  );
});

Deno.test("grayPng() refuses sizes that are not those of the pixels", () => {
  for (const [width, height, pixels] of [[2, 2, 3], [0, 0, 0], [2, 0, 0]] as const) {
    const data = new Float32Array(pixels);
    assert.throws(() => grayPng({ width, height, data }), {
      name: "RangeError",
      message: `Expected ${width} x ${height} pixels, at least one, found ${pixels}`,
    });
  }
});

/** The data of a file's chunks by type, their lengths read as the standard has them. */
function chunksOf(file: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const chunks = new Map<string, Uint8Array>();
  for (let at = 8; at < file.length;) {
    const length = view.getUint32(at);
    const type = new TextDecoder().decode(file.subarray(at + 4, at + 8));
    chunks.set(type, file.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  return chunks;
}

/** The pixels of rows that were not filtered. */
function unfiltered(rows: Uint8Array, width: number): readonly number[] {
  const pixels: number[] = [];
  for (let at = 0; at < rows.length; at += width + 1) {
    assert.equal(rows[at], 0, "a filter");
    pixels.push(...rows.subarray(at + 1, at + 1 + width));
  }
  return pixels;
}
