import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { parseSafetensorsMetadata } from "@huggingface/hub";
import * as E from "fp-ts/Either.js";
import {
  decodeSafetensors,
  describeSafetensorsError,
  encodeSafetensors,
  type SafetensorsFile,
} from "../../src/codec/safetensors.ts";
import { bytesOf, type HostTensor } from "../../src/core/host_tensor.ts";
import { serveRanges } from "../support/serve_ranges.ts";

// Written by the reference implementation, Python's safetensors 0.8.0: serialize(..., {"format": "pt"}).
const REFERENCE_HEADER = '{"__metadata__":{"format":"pt"},' +
  '"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},' +
  '"b.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[4,20]},' +
  '"empty":{"dtype":"F32","shape":[0,3],"data_offsets":[20,20]}}';
const REFERENCE_DATA = "000080ff" + "0000803f" + "00000080" + "4523c17f" + "01000000";
const referenceTensors = {
  empty: floats([0, 3], []),
  "b.weight": floats([2, 2], [0x3f800000, 0x80000000, 0x7fc12345, 1]), // 1, -0, a NaN, a subnormal
  a: floats([], [0xff800000]), // -Infinity, a scalar
};

Deno.test("encodeSafetensors() writes the bytes that the reference implementation writes", () => {
  const bytes = encodeSafetensors(referenceTensors, { format: "pt" });
  assert.deepEqual(bytes, rawFile(REFERENCE_HEADER, fromHex(REFERENCE_DATA)));
  assert.equal(bytes[0], 0xd0); // as in the reference file: the header's length
});

Deno.test("decodeSafetensors() reads what the reference implementation writes", () => {
  const { tensors, metadata } = decoded(rawFile(REFERENCE_HEADER, fromHex(REFERENCE_DATA)));
  assert.deepEqual(metadata, { format: "pt" });
  assert.deepEqual([...tensors.keys()], ["a", "b.weight", "empty"]);
  for (const [name, expected] of Object.entries(referenceTensors)) {
    assertSameTensor(tensors.get(name), expected);
  }
});

Deno.test("the parser of @huggingface/hub reads the names, dtypes and shapes that were written", async () => {
  const bytes = encodeSafetensors(
    { ...referenceTensors, ids: ints([3, 1], [1, -1, 2 ** 31 - 1]), constructor: ints([], [7]) },
    { format: "pt", note: "\u00fcber" },
  );
  const parsed = await parseSafetensorsMetadata({
    repo: "local/model",
    path: "model.safetensors",
    fetch: serveRanges(bytes),
  });
  assert.ok(!parsed.sharded);
  const { __metadata__: metadata, ...entries } = parsed.header;
  assert.deepEqual(metadata, { format: "pt", note: "\u00fcber" });
  assert.deepEqual(
    Object.entries(entries).map(([name, { dtype, shape }]) => [name, dtype, shape]),
    [
      ["a", "F32", []],
      ["b.weight", "F32", [2, 2]],
      ["constructor", "I32", []],
      ["empty", "F32", [0, 3]],
      ["ids", "I32", [3, 1]],
    ],
  );
});

Deno.test("a safetensors file begins its data at a multiple of 8, whatever the names", () => {
  for (let length = 0; length < 16; length++) {
    const bytes = encodeSafetensors({ ["x".repeat(length)]: ints([1], [0x01020304]) });
    assert.equal((bytes.length - 4) % 8, 0);
    assert.equal(new DataView(bytes.buffer).getBigUint64(0, true), BigInt(bytes.length - 12));
    assert.deepEqual(bytes.slice(-4), Uint8Array.of(4, 3, 2, 1));
  }
});

Deno.test("a safetensors file holds names in UTF-16 order, also those that look like indices", () => {
  const names = ["10", "9", "B", "a", "\u20ac", "\ud83d\ude00", "\ufb33"];
  const tensors = new Map(names.toReversed().map((name, at) => [name, ints([1], [at])]));
  assert.deepEqual([...decoded(encodeSafetensors(tensors)).tensors.keys()], names);
});

Deno.test("tensors and metadata named like members of Object survive", () => {
  const names = ["__proto__", "constructor", "hasOwnProperty", "toString", "", "dtype", 'q"\\\n\0'];
  const tensors = Object.fromEntries(names.map((name, at) => [name, ints([1], [at])]));
  const texts = Object.fromEntries(names.map((name) => [name, `about ${name}`]));
  const { tensors: read, metadata } = decoded(encodeSafetensors(tensors, texts));
  assert.deepEqual([...read.keys()].sort(), names.toSorted());
  names.forEach((name, at) => assertSameTensor(read.get(name), ints([1], [at])));
  assert.deepEqual(Object.entries(metadata).sort(), Object.entries(texts).sort());
  assert.ok(!decoded(encodeSafetensors({})).tensors.has("__proto__"));
});

Deno.test("no tensors and empty metadata make the smallest file", () => {
  const smallest = rawFile("{}      ", []);
  assert.deepEqual(encodeSafetensors({}), smallest);
  assert.deepEqual(encodeSafetensors(new Map(), {}), smallest);
  assert.deepEqual(decoded(smallest), { tensors: new Map(), metadata: {} });
});

Deno.test("encodeSafetensors() copies a part of a larger buffer, and only that part", () => {
  const data = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
  const { tensors } = decoded(encodeSafetensors({ x: { dtype: "float32", shape: [2], data } }));
  assert.deepEqual(tensors.get("x")?.data, Float32Array.of(2, 3));
});

Deno.test("decodeSafetensors() gives views where elements are aligned and copies where they are not", () => {
  const bytes = encodeSafetensors(referenceTensors);
  for (let offset = 0; offset < 8; offset++) {
    const shifted = new Uint8Array(new ArrayBuffer(bytes.length + 16), offset, bytes.length);
    shifted.set(bytes);
    for (const given of [shifted, Buffer.from(shifted.buffer, offset, bytes.length)]) {
      const { tensors } = decoded(given);
      for (const [name, expected] of Object.entries(referenceTensors)) {
        assertSameTensor(tensors.get(name), expected);
      }
      const scalar = tensors.get("a")!.data;
      assert.equal(scalar.buffer === shifted.buffer, offset % 4 === 0);
      assert.equal(scalar.byteOffset % 4, 0);
    }
  }
});

const TEXT = { a: "x\ud800" };
const unwritable: readonly (readonly [claim: string, write: () => unknown, message: RegExp])[] = [
  [
    "a tensor that is named __metadata__",
    () => encodeSafetensors({ __metadata__: ints([], [1]) }),
    /another name than __metadata__/,
  ],
  [
    "a lone surrogate in a name",
    () => encodeSafetensors({ "x\ud800": ints([], [1]) }),
    /well-formed names and metadata, found "x\\ud800"/,
  ],
  ["a lone surrogate in metadata", () => encodeSafetensors({}, TEXT), /found "x\\ud800"/],
  [
    "a shape that does not fit the data",
    () => encodeSafetensors({ w: { ...ints([2], [1, 2]), shape: [3] } }),
    /tensor "w": expected Int32Array with 12 bytes for shape \[3\], found Int32Array with 8/,
  ],
  [
    "a fractional shape",
    () => encodeSafetensors({ w: { ...ints([2], [1, 2]), shape: [0.5, 4] } }),
    /shape \[0.5,4\]/,
  ],
  [
    "a shape that overflows before its zero",
    () => encodeSafetensors({ w: { ...ints([0], []), shape: [2 ** 52, 2, 0] } }),
    /shape \[4503599627370496,2,0\]/,
  ],
  [
    "data of another type than its dtype",
    () => encodeSafetensors({ w: { ...ints([1], [1]), dtype: "float32" } }),
    /expected Float32Array with 4 .* found Int32Array/,
  ],
];

for (const [claim, write, message] of unwritable) {
  Deno.test(`encodeSafetensors() refuses ${claim}`, () => {
    assert.throws(write, { name: "TypeError", message });
  });
}

Deno.test("encodeSafetensors() writes as many values as decodeSafetensors() reads, and no more", () => {
  const values = (count: number) => ints(new Array(count).fill(1), [7]);
  const most = 2 ** 22 - 7; // beside them: header, entry, dtype, shape, data_offsets and its two
  assert.equal(decoded(encodeSafetensors({ w: values(most) })).tensors.size, 1);
  assert.throws(() => encodeSafetensors({ w: values(most + 1) }), {
    name: "RangeError",
    message: /expected a header of at most 4194304 values, found more/,
  });
});

const X = { dtype: "F32", shape: [1], data_offsets: [0, 4] };
const FOUR = [0, 0, 128, 63];

/** Headers that a stock reader would take or crash on, each with the message it gets. */
const badHeaders: readonly (readonly [claim: string, header: unknown, message: string])[] = [
  ["an empty header", "", 'bad header: expected a text that begins with {, found ""'],
  ["a header in an array", "[]", 'bad header: expected a text that begins with {, found "[]"'],
  ["a header behind a space", " {}", 'bad header: expected a text that begins with {, found " {}"'],
  [
    "a header behind a byte order mark",
    "\ufeff{}",
    'bad header: expected a text that begins with {, found "\ufeff{}"',
  ],
  [
    "a header cut inside",
    '{"x":',
    "bad header: expected a JSON text, found: Unexpected end of JSON input",
  ],
  [
    "a header of open brackets",
    '{"x":' + "[".repeat(1e5),
    "bad header: expected at most 64 levels of nesting, found one more at offset 68",
  ],
  [
    "two tensors of one name",
    '{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\\u0078":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}',
    'bad header: expected each key once in an object, found "x" twice at offset 54',
  ],
  [
    "two dtypes for one tensor",
    '{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"dtype":"I32"}}',
    'bad header: expected each key once in an object, found "dtype" twice at offset 53',
  ],
  [
    "metadata in an array",
    { __metadata__: [] },
    'bad __metadata__: expected a JSON object, found "[]"',
  ],
  [
    "a number in metadata",
    { __metadata__: { step: 1 } },
    'bad __metadata__ "step": expected a well-formed string, found 1',
  ],
  [
    "a lone surrogate in metadata",
    { __metadata__: { a: "\ud800" } },
    'bad __metadata__ "a": expected a well-formed string, found "\\ud800"',
  ],
  [
    "a lone surrogate in a key of metadata",
    { __metadata__: { "\ud800": "" } },
    'bad __metadata__: expected a well-formed key, found "\\ud800"',
  ],
  [
    "metadata that is null",
    { __metadata__: null },
    "bad __metadata__: expected a JSON object, found null",
  ],
  [
    "an entry that is null",
    { x: null },
    'tensor "x": bad entry: expected a JSON object, found null',
  ],
  [
    "an entry in an array",
    { x: [X] },
    'tensor "x": bad entry: expected a JSON object, found "[...]"',
  ],
  [
    "a name with a lone surrogate",
    { "\ud800": X },
    'tensor "\\ud800": bad name: expected well-formed text, found "\\ud800"',
  ],
  [
    "an entry without a shape",
    { x: { dtype: "F32", data_offsets: [0, 4] } },
    'tensor "x": bad entry: expected a field shape, found none',
  ],
  [
    "an unknown field",
    { x: { ...X, strides: [1] } },
    'tensor "x": bad entry: expected dtype, shape, data_offsets, found "strides"',
  ],
  [
    "a field named __proto__",
    '{"x":{"dtype":"F32","__proto__":{"shape":[1]},"data_offsets":[0,4]}}',
    'tensor "x": bad entry: expected a field shape, found none',
  ],
  [
    "a dtype that is a number",
    { x: { ...X, dtype: 32 } },
    'tensor "x": bad dtype: expected a string, found 32',
  ],
  [
    "a dtype that foldlog has not",
    { x: { ...X, dtype: "BF16" } },
    'tensor "x": dtype is not supported: expected F32 or I32, found "BF16"; convert the tensor before reading it',
  ],
  [
    "a shape that is a number",
    { x: { ...X, shape: 1 } },
    'tensor "x": bad shape: expected an array, found 1',
  ],
  ...[-1, 0.5, 2 ** 53, null, "1", true, [1]].map((dimension) =>
    [
      `a dimension of ${JSON.stringify(dimension)}`,
      { x: { ...X, shape: [dimension] } },
      `tensor "x": bad shape: expected whole numbers from 0 up, found ${
        Array.isArray(dimension) ? '"[1]"' : JSON.stringify(dimension)
      }`,
    ] as const
  ),
  [
    "a dimension of -0",
    '{"x":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}',
    'tensor "x": bad shape: expected whole numbers from 0 up, found -0',
  ],
  [
    "a dimension beyond binary64",
    '{"x":{"dtype":"F32","shape":[1e400],"data_offsets":[0,4]}}',
    'tensor "x": bad shape: expected whole numbers from 0 up, found Infinity',
  ],
  [
    "a shape whose product overflows to a small number of bytes in 64 bits",
    { x: { ...X, shape: [2 ** 32, 2 ** 32, 1, 1, 1] } },
    'tensor "x": bad shape: expected at most 2^53 - 1 bytes, found "[4294967296,4294967296,1,1,...]"',
  ],
  [
    "offsets that are missing one end",
    { x: { ...X, data_offsets: [0] } },
    'tensor "x": bad data_offsets: expected [begin, end], 0 <= begin <= end, found "[0]"',
  ],
  [
    "offsets that go backwards",
    { x: { ...X, data_offsets: [4, 0] } },
    'tensor "x": bad data_offsets: expected [begin, end], 0 <= begin <= end, found "[4,0]"',
  ],
  [
    "offsets before the data",
    { x: { ...X, data_offsets: [-4, 0] } },
    'tensor "x": bad data_offsets: expected [begin, end], 0 <= begin <= end, found "[-4,0]"',
  ],
  [
    "offsets that do not fit the shape",
    { x: { ...X, shape: [2] } },
    'tensor "x": bad data_offsets: expected 8 bytes for its shape, found 4',
  ],
  [
    "a tensor far beyond the file",
    { x: { ...X, shape: [2 ** 50], data_offsets: [0, 2 ** 52] } },
    "data is cut off: expected 4503599627370496 bytes, found 4",
  ],
  [
    "two tensors on the same bytes",
    { x: X, y: X },
    'tensor "y": data overlap: expected begin 4, found 0',
  ],
  [
    "an empty tensor inside another",
    { x: X, y: { dtype: "F32", shape: [0], data_offsets: [2, 2] } },
    'tensor "y": data overlap: expected begin 4, found 2',
  ],
  [
    "a gap before the first tensor",
    { x: { ...X, shape: [0], data_offsets: [4, 4] } },
    'tensor "x": gap in the data: expected begin 0, found 4',
  ],
  ["data that no tensor owns", {}, "data no tensor owns: expected 0 bytes, found 4"],
];

for (const [claim, header, message] of badHeaders) {
  Deno.test(`decodeSafetensors() refuses ${claim} and says what it found`, () => {
    const text = typeof header === "string" ? header : JSON.stringify(header);
    assert.equal(refusal(rawFile(text, FOUR)), `Cannot read safetensors: ${message}`);
  });
}

Deno.test("decodeSafetensors() refuses a header that is not UTF-8", () => {
  const bytes = rawFile('{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', FOUR);
  bytes[10] = 0xff;
  assert.match(refusal(bytes), /bad header: expected UTF-8, found a malformed sequence$/);
});

Deno.test("decodeSafetensors() refuses a header that is longer than the file or than 100,000,000", () => {
  const bytes = rawFile("{}", []);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, 3n, true);
  assert.match(refusal(bytes), /header is cut off: expected 3 bytes, found 2$/);
  view.setBigUint64(0, 100_000_000n, true);
  assert.match(refusal(bytes), /header is cut off: expected 100000000 bytes, found 2$/);
  view.setBigUint64(0, 100_000_001n, true);
  assert.match(refusal(bytes), /at most 100000000 bytes, found 100000001$/);
  view.setBigUint64(0, 2n ** 64n - 1n, true);
  assert.match(refusal(bytes), /at most 100000000 bytes, found 18446744073709551615$/);
});

Deno.test("decodeSafetensors() refuses a header of millions of keys before V8 gives up on them", () => {
  const text = `{"x":[${"0,".repeat(2 ** 22)}0]}`;
  assert.match(
    refusal(rawFile(text, [])),
    /expected at most 4194304 values, found one more at offset 8388609$/,
  );
});

Deno.test("decodeSafetensors() takes metadata at the end, a header without padding, and any order of entries", () => {
  const header = '{"y":{"data_offsets":[4,8],"shape":[],"dtype":"I32"},' +
    '"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{"a":""}}';
  const { tensors, metadata } = decoded(rawFile(header, [...FOUR, 1, 2, 3, 4]));
  assert.deepEqual([...tensors.keys()], ["x", "y"]);
  assertSameTensor(tensors.get("x"), floats([1], [0x3f800000]));
  assertSameTensor(tensors.get("y"), ints([], [0x04030201]));
  assert.deepEqual(metadata, { a: "" });
});

Deno.test("describeSafetensorsError() stays short for a name of a million letters", () => {
  const name = "x".repeat(1e6);
  assert.ok(refusal(rawFile(JSON.stringify({ [name]: { ...X, dtype: name } }), FOUR)).length < 400);
});

function floats(shape: readonly number[], bits: readonly number[]): HostTensor {
  return { dtype: "float32", shape, data: new Float32Array(Uint32Array.from(bits).buffer) };
}

function ints(shape: readonly number[], values: readonly number[]): HostTensor {
  return { dtype: "int32", shape, data: Int32Array.from(values) };
}

/** A file with this header as it stands, padded by nothing. */
function rawFile(header: string, data: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + text.length + data.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  file.set(data, 8 + text.length);
  return file;
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function decoded(bytes: Uint8Array): SafetensorsFile {
  const result = decodeSafetensors(bytes);
  if (E.isLeft(result)) assert.fail(describeSafetensorsError(result.left));
  return result.right;
}

function refusal(bytes: Uint8Array): string {
  const result = decodeSafetensors(bytes);
  assert.ok(E.isLeft(result), "expected a refusal");
  return describeSafetensorsError(result.left);
}

function assertSameTensor(actual: HostTensor | undefined, expected: HostTensor): void {
  assert.ok(actual !== undefined);
  assert.equal(actual.dtype, expected.dtype);
  assert.deepEqual(actual.shape, expected.shape);
  assert.equal(actual.data.constructor, expected.data.constructor);
  assert.deepEqual(Uint8Array.from(bytesOf(actual)), Uint8Array.from(bytesOf(expected)));
}
