/** Bytes of the header of llm.c's files: 256 int32, little-endian. */
export const LLMC_HEADER_BYTES = 1024;

/** The first integers of a header, of which all 1024 bytes are there. */
export function headerIntegers(bytes: Uint8Array, count: number): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, LLMC_HEADER_BYTES);
  return Array.from({ length: count }, (_, index) => view.getInt32(4 * index, true));
}

/** A header that begins with these integers; the others are 0. */
export function headerOf(integers: readonly number[]): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(LLMC_HEADER_BYTES);
  const view = new DataView(header.buffer);
  integers.forEach((integer, index) => view.setInt32(4 * index, integer, true));
  return header;
}
