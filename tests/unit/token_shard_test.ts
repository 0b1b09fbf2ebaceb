import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { describeFormatError } from "../../src/codec/format_error.ts";
import {
  decodeShardHeader,
  decodeTokens,
  encodeShardHeader,
  encodeTokens,
  MAX_SHARD_TOKENS,
} from "../../src/codec/token_shard.ts";

function said(start: Uint8Array, fileBytes: number): string {
  const header = decodeShardHeader(start, fileBytes);
  return E.isLeft(header) ? describeFormatError(header.left) : JSON.stringify(header.right);
}

function header(...integers: number[]): Uint8Array {
  const bytes = new Uint8Array(1024);
  integers.forEach((integer, i) => new DataView(bytes.buffer).setInt32(4 * i, integer, true));
  return bytes;
}

Deno.test("a shard of llm.c is written as its Python writes it, byte for byte", () => {
  // struct.pack("<256i", 20240520, 1, 3, *[0] * 253) + struct.pack("<3H", 50256, 1, 65535)
  const expected = new Uint8Array(1030);
  expected.set([0x88, 0xd8, 0x34, 0x01, 1, 0, 0, 0, 3]);
  expected.set([0x50, 0xc4, 0x01, 0x00, 0xff, 0xff], 1024);
  const start = encodeShardHeader({ kind: "gpt-2", tokens: 3 });
  assert.deepEqual(Uint8Array.of(...start, ...encodeTokens("gpt-2", [50256, 1, 65535])), expected);
});

Deno.test("a shard of Llama 3's tokens has another number, another version, and four bytes a token", () => {
  const start = encodeShardHeader({ kind: "llama-3", tokens: 2 });
  assert.deepEqual(
    start.subarray(0, 12),
    Uint8Array.of(0xa1, 0xd9, 0x34, 0x01, 7, 0, 0, 0, 2, 0, 0, 0),
  );
  const tokens = encodeTokens("llama-3", [128000, 2 ** 32 - 1]);
  assert.deepEqual([...tokens], [0, 0xf4, 1, 0, 255, 255, 255, 255]);
  assert.deepEqual([...decodeTokens("llama-3", tokens)], [128000, 2 ** 32 - 1]);
  assert.equal(said(start, 1032), '{"kind":"llama-3","tokens":2}');
});

Deno.test("decodeShardHeader() says what it expected of a header and what it found", () => {
  assert.equal(said(header(20240520, 1, 3), 1030), '{"kind":"gpt-2","tokens":3}');
  const cases: readonly (readonly [string, Uint8Array, number])[] = [
    [
      "the header is cut off: expected 1024 bytes, found 1023",
      header(20240520, 1, 3).subarray(1),
      1023,
    ],
    [
      "not a token shard of llm.c: bad magic number: " +
      "expected 20240520 (gpt-2) or 20240801 (llama-3), found 20240326",
      header(20240326, 3, 3),
      1030,
    ],
    ["bad version: expected 1, as gpt-2 has it, found 7", header(20240520, 7, 3), 1030],
    ["bad version: expected 7, as llama-3 has it, found 1", header(20240801, 1, 3), 1036],
    ["bad number of tokens: expected at least 1, found 0", header(20240520, 1, 0), 1024],
    ["bad number of tokens: expected at least 1, found -3", header(20240520, 1, -3), 1030],
    [
      "bad size for 3 tokens: expected 1030 bytes, found 1029",
      header(20240520, 1, 3),
      1029,
    ],
    ["bad size for 3 tokens: expected 1036 bytes, found 1030", header(20240801, 7, 3), 1030],
  ];
  for (const [expected, start, bytes] of cases) assert.equal(said(start, bytes), expected);
});

Deno.test("a shard cannot be written with what its header or its tokens cannot hold", () => {
  for (const tokens of [0, -1, 1.5, MAX_SHARD_TOKENS + 1]) {
    assert.throws(() => encodeShardHeader({ kind: "gpt-2", tokens }), /Expected 1 to 2147483647/);
  }
  assert.equal(
    said(
      encodeShardHeader({ kind: "gpt-2", tokens: MAX_SHARD_TOKENS }),
      1024 + 2 * MAX_SHARD_TOKENS,
    ),
    '{"kind":"gpt-2","tokens":2147483647}',
  );
  for (const token of [-1, 65536, 0.5, NaN]) {
    assert.throws(() => encodeTokens("gpt-2", [1, token]), /Expected tokens from 0 to 65535/);
  }
});
