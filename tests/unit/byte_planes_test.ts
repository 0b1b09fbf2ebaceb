import assert from "node:assert/strict";
import fc from "fast-check";
import { combined, fromBytePlanes, toBytePlanes } from "../../src/codec/byte_planes.ts";

const bytes = fc.uint8Array({ maxLength: 40 });

Deno.test("toBytePlanes() puts the bytes of one place of each element together", () => {
  const elements = Uint8Array.of(1, 2, 3, 4, 11, 12, 13, 14, 21, 22);
  assert.deepEqual(toBytePlanes(elements), Uint8Array.of(1, 11, 2, 12, 3, 13, 4, 14, 21, 22));
  assert.deepEqual(toBytePlanes(new Uint8Array(0)), new Uint8Array(0));
});

Deno.test("fromBytePlanes() gives back what toBytePlanes() was given, wherever it lies", () => {
  fc.assert(fc.property(bytes, fc.nat(7), (bytes, offset) => {
    const before = bytes.slice();
    const shifted = shift(bytes, offset);
    const planes = toBytePlanes(shifted);
    assert.deepEqual(fromBytePlanes(shift(planes, offset)), before);
    assert.deepEqual(shifted, before, "the argument was changed");
  }));
});

Deno.test("combined() is exclusive or, byte by byte, and borrows both", () => {
  fc.assert(fc.property(bytes, fc.nat(7), fc.nat(7), (bytes, one, other) => {
    const mask = bytes.map((_, at) => at * 37);
    const [a, b] = [shift(bytes, one), shift(mask, other)];
    const result = combined(a, b);
    assert.deepEqual(result, bytes.map((byte, at) => byte ^ mask[at]!));
    assert.deepEqual(combined(result, b), bytes);
    assert.deepEqual([a, b], [bytes, mask]);
  }));
});

/** The same bytes at another place of a larger buffer. */
function shift(bytes: Uint8Array, offset: number): Uint8Array {
  const shifted = new Uint8Array(bytes.length + offset).subarray(offset);
  shifted.set(bytes);
  return shifted;
}
