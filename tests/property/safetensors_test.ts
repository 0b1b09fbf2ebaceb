import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import {
  decodeSafetensors,
  describeSafetensorsError,
  encodeSafetensors,
} from "../../src/codec/safetensors.ts";
import { bytesOf, type DType, type HostTensor, sizeOf } from "../../src/core/host_tensor.ts";

type Tensors = Readonly<Record<string, HostTensor>>;
type Metadata = Readonly<Record<string, string>>;

// Quiet and signalling NaNs with payloads, both zeros, infinities, subnormals, the largest and smallest.
const specialBits = fc.constantFrom(
  ...[0x7fc00000, 0x7fc12345, 0xffc00001, 0x7f800001, 0xff812345, 0x80000000, 0, 0x7f800000],
  ...[0xff800000, 1, 0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0x7fffffff, 0xffffffff],
);
const bits = fc.oneof(specialBits, fc.integer({ min: 0, max: 2 ** 32 - 1 }));

const name = fc.oneof(
  fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "",
    "10",
    "9",
    "a.b",
    "\ufb33",
    "\u{1f600}",
  ),
  fc.string({ unit: "binary", maxLength: 8 }).filter((text) => text !== "__metadata__"),
);

const tensor: fc.Arbitrary<HostTensor> = fc
  .tuple(
    fc.constantFrom<DType>("float32", "int32"),
    fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
  )
  .chain(([dtype, shape]) => {
    const size = sizeOf(shape);
    return fc.array(bits, { minLength: size, maxLength: size }).map((words) => {
      const { buffer } = Uint32Array.from(words);
      const data = dtype === "float32" ? new Float32Array(buffer) : new Int32Array(buffer);
      return { dtype, shape, data };
    });
  });

const tensors: fc.Arbitrary<Tensors> = fc.dictionary(name, tensor, { maxKeys: 6 });
const metadata: fc.Arbitrary<Metadata> = fc.dictionary(
  name,
  fc.string({ unit: "binary", maxLength: 8 }),
  { maxKeys: 3 },
);

Deno.test("decodeSafetensors() gives back every bit that encodeSafetensors() was given", () => {
  fc.assert(
    fc.property(tensors, metadata, fc.nat({ max: 7 }), (tensors, metadata, offset) => {
      const bytes = encodeSafetensors(tensors, metadata);
      const shifted = new Uint8Array(bytes.length + offset).subarray(offset);
      shifted.set(bytes);
      const result = decodeSafetensors(shifted);
      if (E.isLeft(result)) assert.fail(describeSafetensorsError(result.left));
      assert.deepEqual(picture(result.right.tensors), picture(Object.entries(tensors)));
      assert.deepEqual(
        sorted(Object.entries(result.right.metadata)),
        sorted(Object.entries(metadata)),
      );
      assert.deepEqual(encodeSafetensors(result.right.tensors, result.right.metadata), bytes);
    }),
    { numRuns: 500 },
  );
});

Deno.test("encodeSafetensors() writes equal bytes whatever order tensors and metadata come in", () => {
  const shuffled = fc.tuple(tensors, metadata).chain(([tensors, metadata]) =>
    fc.tuple(fc.constant(tensors), fc.constant(metadata), shuffle(tensors), shuffle(metadata))
  );
  fc.assert(
    fc.property(shuffled, ([tensors, metadata, otherTensors, otherMetadata]) => {
      const bytes = encodeSafetensors(tensors, metadata);
      assert.deepEqual(encodeSafetensors(new Map(otherTensors), metadata), bytes);
      assert.deepEqual(
        encodeSafetensors(Object.fromEntries(otherTensors), Object.fromEntries(otherMetadata)),
        bytes,
      );
    }),
    { numRuns: 300 },
  );
});

Deno.test("decodeSafetensors() refuses a file that is cut at any byte, and one with a byte more", () => {
  fc.assert(
    fc.property(tensors, metadata, (tensors, metadata) => {
      const bytes = encodeSafetensors(tensors, metadata);
      for (let length = 0; length < bytes.length; length++) {
        assert.ok(E.isLeft(decodeSafetensors(bytes.subarray(0, length))), `${length}`);
      }
      assert.ok(E.isLeft(decodeSafetensors(Uint8Array.of(...bytes, 0))));
    }),
    { numRuns: 25 },
  );
});

Deno.test("decodeSafetensors() reads or refuses a file with any bytes of its header changed", () => {
  const edit = fc.tuple(
    fc.nat(),
    fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(...new TextEncoder().encode('"{}[],:0123-e\\'))),
  );
  let read = 0;
  let refused = 0;
  fc.assert(
    fc.property(
      tensors,
      metadata,
      fc.array(edit, { minLength: 1, maxLength: 3 }),
      (tensors, metadata, edits) => {
        const bytes = encodeSafetensors(tensors, metadata);
        const dataBytes = Object.values(tensors).reduce(
          (sum, { data }) => sum + data.byteLength,
          0,
        );
        for (const [at, byte] of edits) bytes[at % (bytes.length - dataBytes)] = byte;
        const result = decodeSafetensors(bytes);
        if (E.isLeft(result)) {
          refused++;
          assert.match(describeSafetensorsError(result.left), /^Cannot read .*expected .*found/s);
          return;
        }
        read++;
        // What is read is whole: it has the file's data, no more and no less.
        const readBytes = [...result.right.tensors.values()].reduce(
          (sum, { data }) => sum + data.byteLength,
          0,
        );
        assert.equal(readBytes, bytes.length - 8 - bytes[0]! - 256 * bytes[1]!);
        for (const { shape, data } of result.right.tensors.values()) {
          assert.equal(sizeOf(shape), data.length);
        }
        encodeSafetensors(result.right.tensors, result.right.metadata); // does not throw
      },
    ),
    { numRuns: 2000 },
  );
  assert.ok(read > 0 && refused > 0, `${read} read, ${refused} refused`);
});

Deno.test("decodeSafetensors() reads or refuses any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat({ max: 40 }), (bytes, headerBytes) => {
      decodeSafetensors(bytes);
      const framed = Uint8Array.of(headerBytes, 0, 0, 0, 0, 0, 0, 0, 0x7b, ...bytes);
      decodeSafetensors(framed);
    }),
    { numRuns: 1000 },
  );
});

/** Tensors as data that compares by bits and by name, not by number or by order. */
function picture(tensors: Iterable<readonly [string, HostTensor]>): unknown {
  return sorted([...tensors].map(([name, tensor]) => [
    name,
    { dtype: tensor.dtype, shape: tensor.shape, bytes: Uint8Array.from(bytesOf(tensor)) },
  ]));
}

function sorted<T>(entries: readonly (readonly [string, T])[]): readonly (readonly [string, T])[] {
  return entries.toSorted(([a], [b]) => a < b ? -1 : Number(a > b));
}

function shuffle<T>(record: Readonly<Record<string, T>>): fc.Arbitrary<readonly [string, T][]> {
  const entries = Object.entries(record);
  return fc.shuffledSubarray(entries, { minLength: entries.length });
}
