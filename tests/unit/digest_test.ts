import assert from "node:assert/strict";
import { sha256 } from "../../src/codec/digest.ts";
import { isDigest } from "../../src/core/digest.ts";

// NIST, "Examples with intermediate values" for FIPS 180-4, and the empty message of the CAVP vectors.
const vectors: readonly (readonly [message: string, digest: string])[] = [
  ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  ],
  [
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
    "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
  ],
  ["a".repeat(1e6), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
];

for (const [message, digest] of vectors) {
  Deno.test(`sha256() gives the FIPS 180 digest of ${message.length} letters`, () => {
    assert.equal(sha256(message), digest);
    assert.equal(sha256(new TextEncoder().encode(message)), digest);
  });
}

Deno.test("sha256() depends on the bytes and not on where chunks end", () => {
  const abc = sha256("abc");
  assert.equal(sha256("a", "bc"), abc);
  assert.equal(sha256("ab", "", Uint8Array.of(0x63)), abc);
  assert.equal(sha256(Uint8Array.of(0, 0x61, 0x62, 0x63, 0).subarray(1, 4)), abc);
  assert.notEqual(sha256("c", "ab"), abc);
  assert.equal(sha256(), sha256(""));
});

Deno.test("sha256() reads strings as UTF-8", () => {
  assert.equal(sha256("\u20ac"), sha256(Uint8Array.of(0xe2, 0x82, 0xac)));
});

Deno.test("sha256() refuses a lone surrogate, which would share its digest with U+FFFD", () => {
  assert.throws(() => sha256("a\ud800"), { name: "TypeError", message: /lone surrogate/ });
});

Deno.test("isDigest() takes what sha256() gives and nothing else", () => {
  const digest = sha256("abc");
  assert.ok(isDigest(digest));
  for (
    const wrong of ["", digest.slice(1), `${digest}0`, digest.toUpperCase(), `${digest}\n`] //
  ) {
    assert.ok(!isDigest(wrong), JSON.stringify(wrong));
  }
  assert.ok(!isDigest(`g${digest.slice(1)}`));
});
