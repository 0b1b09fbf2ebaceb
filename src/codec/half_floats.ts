/** Elements of two bytes: IEEE 754's binary16, and bfloat16, the upper half of a binary32. */
export type HalfFloat = "F16" | "BF16";

/**
 * Elements of two bytes each, little-endian, as float32, which has each of their values. The bytes may lie
 * at any offset; the result is new.
 */
export function widened(kind: HalfFloat, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const { buffer } = new Uint8Array(bytes); // aligned
  if (kind === "F16") return Float32Array.from(new Float16Array(buffer));
  const halves = new Uint16Array(buffer);
  const wide = new Float32Array(halves.length);
  const bits = new Uint32Array(wide.buffer);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return wide;
}
