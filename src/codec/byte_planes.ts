const ELEMENT = 4;

/**
 * The first bytes of all four-byte elements, then all second ones, and so on; bytes at the end that
 * make no whole element stay there. Exponents of floats lie together then, and compress.
 */
export function toBytePlanes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const words = wordsOf(bytes);
  const count = words.length;
  const planes = new Uint8Array(bytes.length);
  const [first, second, third, fourth] = planesOf(planes, count);
  for (let index = 0; index < count; index++) {
    const word = words[index]!;
    first[index] = word;
    second[index] = word >>> 8;
    third[index] = word >>> 16;
    fourth[index] = word >>> 24;
  }
  planes.set(bytes.subarray(count * ELEMENT), count * ELEMENT);
  return planes;
}

/** The bytes that {@link toBytePlanes} was given. */
export function fromBytePlanes(planes: Uint8Array): Uint8Array<ArrayBuffer> {
  const count = Math.floor(planes.length / ELEMENT);
  const bytes = new Uint8Array(planes.length);
  const words = wordsOf(bytes);
  const [first, second, third, fourth] = planesOf(planes, count);
  for (let index = 0; index < count; index++) {
    words[index] = first[index]! | second[index]! << 8 | third[index]! << 16 | fourth[index]! << 24;
  }
  bytes.set(planes.subarray(count * ELEMENT), count * ELEMENT);
  return bytes;
}

/** Each byte of `bytes` and the one at its place in `other` by exclusive or: twice gives `bytes`. */
export function combined(bytes: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(bytes);
  const words = wordsOf(result);
  const others = wordsOf(other);
  for (let index = 0; index < words.length; index++) words[index]! ^= others[index]!;
  for (let at = words.length * ELEMENT; at < result.length; at++) result[at]! ^= other[at]!;
  return result;
}

/** The whole elements, little-endian as every machine is that Deno runs on; a copy where unaligned. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const { buffer, byteOffset } = bytes.byteOffset % ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new Uint32Array(buffer, byteOffset, Math.floor(bytes.length / ELEMENT));
}

function planesOf(
  planes: Uint8Array,
  count: number,
): readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array] {
  const plane = (index: number) => planes.subarray(index * count, (index + 1) * count);
  return [plane(0), plane(1), plane(2), plane(3)];
}
