import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import { canonicalJson } from "../../src/codec/canonical_json.ts";
import { decodeManifest, encodeManifest } from "../../src/codec/manifest_codec.ts";
import type { Json } from "../../src/core/json.ts";
import { SNAPSHOT_FORMAT, type SnapshotManifest } from "../../src/core/snapshot.ts";

const count = fc.oneof(fc.constantFrom(0, 1, 2 ** 53 - 1), fc.maxSafeNat());

const digest = fc.string({
  unit: fc.constantFrom(..."0123456789abcdef"),
  minLength: 64,
  maxLength: 64,
});

/** Any well-formed text. */
const text = fc.oneof(
  fc.constantFrom("", "h.0.attn.c_attn.weight", "NaN", "toString", '"', "\n"),
  fc.array(
    fc.oneof(fc.integer({ min: 0, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff })),
    { maxLength: 8 },
  ).map((points) => String.fromCodePoint(...points)),
);

// Names that JSON writes with an escape are left out: V8's JSON.parse can misread them
// (https://github.com/nodejs/node/issues/63785).
const name = text.filter((name) => !/^__proto__$|["\\]|\p{Cc}/u.test(name));

const group = fc.oneof(
  fc.constantFrom("model", "optimizer", "constructor"),
  fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/),
);

function record<A>(
  name: fc.Arbitrary<string>,
  value: fc.Arbitrary<A>,
): fc.Arbitrary<Record<string, A>> {
  return fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true });
}

const members = {
  task: text,
  step: count,
  cursor: fc.record({ epoch: count, index: count }, { noNullPrototype: true }),
  state: digest,
  files: record(group, fc.record({ digest, bytes: count }, { noNullPrototype: true })),
  leaves: record(name, digest),
};

const manifest: fc.Arbitrary<SnapshotManifest> = fc.oneof(
  fc.record({ format: fc.constant(1), ...members }, { noNullPrototype: true }),
  fc.record({ format: fc.constant(SNAPSHOT_FORMAT), ...members, history: digest }, {
    noNullPrototype: true,
  }),
);

const example: SnapshotManifest = {
  format: 2,
  task: "moby",
  step: 50,
  cursor: { epoch: 1, index: 8 },
  state: "a".repeat(64),
  history: "e".repeat(64),
  files: { model: { digest: "b".repeat(64), bytes: 80 } },
  leaves: { "model/w": "c".repeat(64) },
};

Deno.test("decodeManifest() gives back the manifest that encodeManifest() wrote", () => {
  fc.assert(fc.property(manifest, (manifest) => {
    assert.deepEqual(decodeManifest(encodeManifest(manifest)), E.right(manifest));
  }));
});

Deno.test("encodeManifest() writes equal bytes for equal manifests, whatever order they were made in", () => {
  fc.assert(fc.property(manifest, (manifest) => {
    assert.deepEqual(
      encodeManifest(reversed(manifest) as typeof manifest),
      encodeManifest(manifest),
    );
  }));
});

Deno.test("decodeManifest() refuses a group that no writer could store, and names it", () => {
  for (const name of ["a/b", "..", "", "Model", "1", "a.b", "/etc/passwd", "model\u0000"]) {
    const forged = { ...example, files: { [name]: example.files["model"]! } };
    const refused = decodeManifest(encodeManifest(forged));
    assert.ok(E.isLeft(refused) && refused.left.type === "Damaged", name);
    assert.match(refused.left.reason, /^expected a group such as "model", found "/, name);
  }
});

Deno.test("encodeManifest() writes the canonical JSON that docs/format.md describes", () => {
  const expected = `{"cursor":{"epoch":1,"index":8},"files":{"model":{"bytes":80,"digest":"${
    "b".repeat(64)
  }"}},"format":2,"history":"${"e".repeat(64)}","leaves":{"model/w":"${"c".repeat(64)}"},"state":"${
    "a".repeat(64)
  }","step":50,"task":"moby"}`;
  assert.equal(new TextDecoder().decode(encodeManifest(example)), expected);
});

Deno.test("any other manifest has other bytes, and so another id", () => {
  const id = (manifest: SnapshotManifest) =>
    createHash("sha256").update(encodeManifest(manifest)).digest("hex");
  const digest = "d".repeat(64);
  const others: readonly SnapshotManifest[] = [
    { ...example, task: "mobi" },
    { ...example, step: 51 },
    { ...example, cursor: { epoch: 0, index: 8 } },
    { ...example, cursor: { epoch: 1, index: 9 } },
    { ...example, state: digest },
    { ...example, history: digest },
    { ...example, files: {} },
    { ...example, files: { model: { digest, bytes: 80 } } },
    { ...example, files: { model: { digest: "b".repeat(64), bytes: 81 } } },
    { ...example, leaves: { "model/w": digest } },
    { ...example, leaves: { "model/v": "c".repeat(64) } },
  ];
  assert.equal(new Set([example, ...others].map(id)).size, others.length + 1);
});

Deno.test("decodeManifest() refuses a manifest without one of its members, and names it", () => {
  for (const path of paths) {
    const last = path.at(-1)!;
    if (last === "model" || last === "model/w") continue; // a file or leaf may well not be there
    refused(edited(path, (parent, name) => delete parent[name]), last);
  }
});

Deno.test("decodeManifest() reads a history in format 2 and none in format 1", () => {
  const { history: _, ...older } = example;
  assert.ok(E.isRight(decodeManifest(encodeManifest({ ...older, format: 1 }))));
  refused({ ...example, format: 1 }, "history");
  refused(older, "history");
  for (const format of [0, -1, 1.5]) refused({ ...example, format }, "format");
});

Deno.test("decodeManifest() refuses a member that it does not know, and names it", () => {
  for (const path of [[], ["cursor"], ["files", "model"]]) {
    refused(edited([...path, "surprise"], (parent, name) => parent[name] = 1), "surprise");
  }
});

Deno.test("decodeManifest() refuses a member of another type, and names it", () => {
  for (const path of paths) {
    for (const wrong of [null, true, [], [1], -1, 0.5, 2 ** 53, "", "x", "A".repeat(64), "NaN"]) {
      const name = path.at(-1)!;
      if (name === "task" && typeof wrong === "string") continue;
      if (name === "format" && wrong === 2 ** 53) continue; // a newer format, and said so
      refused(edited(path, (parent, name) => parent[name] = wrong), name);
    }
    if (!["cursor", "files", "leaves", "model"].includes(path.at(-1)!)) {
      refused(edited(path, (parent, name) => parent[name] = {}), path.at(-1)!);
    }
  }
});

Deno.test("decodeManifest() says NewerFormat before it looks at anything else", () => {
  const newer = fc.oneof(
    fc.constant(SNAPSHOT_FORMAT + 1),
    fc.integer({ min: SNAPSHOT_FORMAT + 1, max: 2 ** 53 - 1 }),
  );
  const json = fc.jsonValue().filter((value) => !JSON.stringify(value).includes("__proto__"));
  fc.assert(fc.property(newer, json, (found, value) => {
    const expected = E.left({ type: "NewerFormat", found, known: SNAPSHOT_FORMAT });
    const bytes = new TextEncoder().encode(JSON.stringify({ task: value, format: found }));
    assert.deepEqual(decodeManifest(bytes), expected);
    assert.deepEqual(decodeManifest(encodeManifest({ ...example, format: found })), expected);
  }));
});

Deno.test("decodeManifest() refuses bytes that are no UTF-8 or no JSON, and never throws", () => {
  const reason = (bytes: Uint8Array) => {
    const result = decodeManifest(bytes);
    assert.ok(E.isLeft(result) && result.left.type === "Damaged");
    return result.left.reason;
  };
  const bytes = encodeManifest(example);
  assert.equal(reason(Uint8Array.of(0xff, ...bytes)), "not UTF-8");
  assert.equal(reason(bytes.with(20, 0x80)), "not UTF-8");
  assert.match(reason(Uint8Array.of(0xef, 0xbb, 0xbf, ...bytes)), /^not JSON: /); // a byte order mark
  for (const length of [0, 1, bytes.length - 1]) {
    assert.match(reason(bytes.subarray(0, length)), /^not JSON: /);
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    assert.ok(E.isLeft(decodeManifest(bytes)));
  }));
  for (const json of ["null", "0", "[]", '""', "{}", "[".repeat(1e5)]) {
    assert.ok(E.isLeft(decodeManifest(new TextEncoder().encode(json))), json.slice(0, 9));
  }
});

Deno.test("decodeManifest() never reads changed bytes as the same manifest", () => {
  const bytes = encodeManifest(example);
  for (let at = 0; at < bytes.length; at++) {
    for (const byte of [0x20, 0x30, 0x31, 0x61, 0x22, 0x7d, bytes[at]! ^ 1]) {
      if (byte === bytes[at]) continue;
      assert.notDeepEqual(
        decodeManifest(bytes.with(at, byte)),
        E.right(example),
        `${byte} at ${at}`,
      );
    }
  }
});

/** The path of every member of the example. */
const paths = pathsIn(example);

function pathsIn(value: unknown): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => [
    [name],
    ...pathsIn(member).map((path) => [name, ...path]),
  ]);
}

/** The example with one place changed. */
function edited(
  path: readonly string[],
  change: (parent: Record<string, unknown>, name: string) => void,
): unknown {
  const copy = structuredClone(example) as unknown as Record<string, unknown>;
  const parent = path.slice(0, -1).reduce(
    (value, name) => value[name] as Record<string, unknown>,
    copy,
  );
  change(parent, path.at(-1)!);
  return copy;
}

function refused(value: unknown, name: string): void {
  const result = decodeManifest(bytesOf(value));
  assert.ok(E.isLeft(result), `taken: ${JSON.stringify(value)}`);
  assert.ok(result.left.type === "Damaged");
  const { reason } = result.left;
  assert.ok(reason.includes(name), `${reason} does not name ${name}`);
}

/** Canonical bytes, so that nothing but the value is wrong with them. */
function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(canonicalJson(value as Json));
}

/** The value with the members of its objects in the other order. */
function reversed(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [name, reversed(member)]);
  return Object.fromEntries(members.reverse());
}
