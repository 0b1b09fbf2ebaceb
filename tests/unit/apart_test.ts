import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { apart } from "../../src/codec/apart.ts";
import { decodeLine, encodeLine, seal } from "../../src/codec/envelope_codec.ts";

Deno.test("apart() shows twelve digits of two digests, or as many as it takes to tell them apart", () => {
  const zeros = "0".repeat(64);
  for (const [place, digits] of [[0, 12], [11, 12], [12, 13], [63, 64]] as const) {
    const other = `${zeros.slice(0, place)}1${zeros.slice(place + 1)}`;
    assert.deepEqual(apart(zeros, other), [zeros.slice(0, digits), other.slice(0, digits)]);
  }
});

Deno.test("a line whose digest was changed at its end is refused with two digests that differ", () => {
  const stamp = { recordedAt: "2026-01-01T00:00:00.000Z", session: 1 };
  const sealed = seal(undefined, { type: "RunCompleted", data: { step: 1 } }, stamp);
  const last = sealed.digest.endsWith("0") ? "1" : "0";
  const digest = sealed.digest.slice(0, -1) + last;
  const refused = decodeLine(encodeLine({ ...sealed, digest }), undefined);
  assert.ok(E.isLeft(refused) && refused.left.type === "Damaged");
  assert.equal(refused.left.reason, `expected digest ${sealed.digest}, found ${digest}`);
});
