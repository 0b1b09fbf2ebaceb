import assert from "node:assert/strict";
import canonicalize from "canonicalize";
import * as E from "fp-ts/Either.js";
import fc from "fast-check";
import { canonicalJson, type JsonError, parseJson } from "../../src/codec/canonical_json.ts";
import type { Json } from "../../src/core/json.ts";

Deno.test("canonicalJson() writes the example of RFC 8785, section 3.2.2", () => {
  const value = JSON.parse(String.raw`{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  }`);
  assert.equal(
    canonicalJson(value),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

Deno.test("canonicalJson() sorts keys by UTF-16 code units, as in RFC 8785, section 3.2.3", () => {
  const value = {
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis",
  };
  assert.equal(
    canonicalJson(value),
    '{"\\r":"Carriage Return","1":"One","\u0080":"Control",' +
      '"\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign",' +
      '"\ud83d\ude00":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
  );
  assert.equal(
    canonicalJson({ 10: 0, 9: 0, b: 0, B: 0, "": 0 }),
    '{"":0,"10":0,"9":0,"B":0,"b":0}',
  );
});

// RFC 8785, appendix B, and the edges where ECMAScript changes notation.
const numbers: readonly (readonly [bits: bigint, text: string])[] = [
  [0x0000000000000000n, "0"],
  [0x0000000000000001n, "5e-324"],
  [0x8000000000000001n, "-5e-324"],
  [0x7fefffffffffffffn, "1.7976931348623157e+308"],
  [0xffefffffffffffffn, "-1.7976931348623157e+308"],
  [0x4340000000000000n, "9007199254740992"],
  [0xc340000000000000n, "-9007199254740992"],
  [0x4430000000000000n, "295147905179352830000"],
  [0x44b52d02c7e14af5n, "9.999999999999997e+22"],
  [0x44b52d02c7e14af6n, "1e+23"],
  [0x44b52d02c7e14af7n, "1.0000000000000001e+23"],
  [0x444b1ae4d6e2ef4en, "999999999999999700000"],
  [0x444b1ae4d6e2ef4fn, "999999999999999900000"],
  [0x444b1ae4d6e2ef50n, "1e+21"],
  [0x3eb0c6f7a0b5ed8cn, "9.999999999999997e-7"],
  [0x3eb0c6f7a0b5ed8dn, "0.000001"],
  [0x3e7ad7f29abcaf48n, "1e-7"],
  [0x41b3de4355555553n, "333333333.3333332"],
  [0x41b3de4355555554n, "333333333.33333325"],
  [0x41b3de4355555555n, "333333333.3333333"],
  [0x41b3de4355555556n, "333333333.3333334"],
  [0x41b3de4355555557n, "333333333.33333343"],
  [0xbecbf647612f3696n, "-0.0000033333333333333333"],
  [0x43143ff3c1cb0959n, "1424953923781206.2"],
];

Deno.test("canonicalJson() writes the numbers of RFC 8785, appendix B", () => {
  for (const [bits, text] of numbers) {
    const value = new Float64Array(BigUint64Array.of(bits).buffer)[0]!;
    assert.equal(canonicalJson(value), text);
    assert.deepEqual(parseJson(text), E.right(value));
  }
});

const refused: readonly (readonly [name: string, value: unknown, message: RegExp])[] = [
  ["NaN", { a: [1, { loss: NaN }] }, /at \$\.a\[1\]\.loss, found NaN$/],
  ["Infinity", [Infinity], /at \$\[0\], found Infinity$/],
  ["-Infinity", -Infinity, /at \$, found -Infinity$/],
  ["-0, whose sign RFC 8785 would lose", { "two words": -0 }, /at \$\["two words"\], found -0$/],
  ["undefined", undefined, /at \$, found undefined$/],
  ["undefined in an object", { a: 1, b: undefined }, /at \$\.b, found undefined$/],
  ["undefined in an array", [null, undefined], /at \$\[1\], found undefined$/],
  ["a hole in an array", new Array(1), /at \$\[0\], found undefined$/],
  ["a lone surrogate", { a: "x\ud800" }, /at \$\.a, found a lone surrogate in "x\\ud800"$/],
  ["a lone surrogate in a key", { "\udc00": 1 }, /at \$\["\\udc00"\], found a lone surrogate/],
  ["a bigint", { a: 1n }, /at \$\.a, found bigint$/],
  ["a function", { toJSON: () => 1 }, /at \$\.toJSON, found function$/],
  ["a Date", { a: new Date(0) }, /at \$\.a, found a Date$/],
  ["a typed array", { a: Float32Array.of(1) }, /at \$\.a, found a Float32Array$/],
  ["the key __proto__", { ["__proto__"]: 1 }, /at \$\.__proto__, found it$/],
];

for (const [name, value, message] of refused) {
  Deno.test(`canonicalJson() refuses ${name} and says where`, () => {
    assert.throws(() => canonicalJson(value as Json), { name: "TypeError", message });
  });
}

Deno.test("canonicalJson() refuses a value that contains itself", () => {
  const loop: Record<string, unknown> = {};
  loop["loop"] = loop;
  assert.throws(() => canonicalJson(loop as Json), { name: "TypeError", message: /64 levels/ });
});

Deno.test("canonicalJson() writes what is as deep as parseJson() reads, and no deeper", () => {
  const nested = (depth: number): Json =>
    depth === 0 ? 1 : depth % 2 === 0 ? [nested(depth - 1)] : { a: nested(depth - 1) };
  const text = canonicalJson(nested(64));
  assert.deepEqual(parseJson(text), E.right(nested(64)));
  assert.throws(() => canonicalJson(nested(65)), { message: /at most 64 levels at \$\.a\[0\]/ });
});

Deno.test("canonicalJson() writes a value twice when it is held twice", () => {
  const shared = { a: 1 };
  assert.equal(canonicalJson([shared, shared]), '[{"a":1},{"a":1}]');
});

Deno.test("canonicalJson() writes what the reference implementation of RFC 8785 writes", () => {
  const many = fc.dictionary(fc.string({ unit: "binary" }), fc.double(), { maxKeys: 40 });
  const value = fc.oneof(fc.jsonValue({ maxDepth: 4, stringUnit: "binary" }), many)
    .filter(isCarried);
  fc.assert(
    fc.property(value, (value) => {
      assert.equal(canonicalJson(value as Json), canonicalize(value));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("canonicalJson() escapes what JSON escapes, and nothing else", () => {
  for (let unit = 0; unit < 0x300; unit++) {
    const text = `a${String.fromCharCode(unit)}b`;
    assert.equal(canonicalJson(text), JSON.stringify(text));
    assert.equal(canonicalJson({ [text]: 1 }), `{${JSON.stringify(text)}:1}`);
  }
});

Deno.test("parseJson() reads back what canonicalJson() writes, and it is written the same again", () => {
  const value = fc.jsonValue({ maxDepth: 3, stringUnit: "binary" }).filter(isCarried);
  fc.assert(fc.property(value, (value) => {
    const text = canonicalJson(value as Json);
    const parsed = parseJson(text);
    assert.deepEqual(parsed, E.right(JSON.parse(text)));
    assert.deepEqual((parsed as E.Right<Json>).right, value);
    assert.equal(canonicalJson((parsed as E.Right<Json>).right), text);
  }));
});

Deno.test("parseJson() refuses an object exactly when two of its keys are the same text", () => {
  // Few letters, so that keys often meet, and each letter escaped or not: "a" and "\u0061" are one key.
  const letter = fc.constantFrom(
    "a",
    String.raw`\u0061`,
    '\\"',
    "\\\\",
    String.raw`\u005c`,
    "{",
    ",",
  );
  const key = fc.array(letter, { maxLength: 2 }).map((letters) => `"${letters.join("")}"`);
  fc.assert(fc.property(fc.array(key, { maxLength: 4 }), fc.boolean(), (keys, nested) => {
    const object = `{${keys.map((key) => `${key}:["a",{"a":"a"}]`).join(",")}}`;
    const texts = keys.map((key) => JSON.parse(key));
    const result = parseJson(nested ? `[{"a":0},${object},"a"]` : object);
    assert.equal(E.isLeft(result), new Set(texts).size < texts.length, object);
  }));
});

const hostile: readonly (readonly [name: string, text: string, at: number, reason: RegExp])[] = [
  ["a duplicate key", '{"a":1,"a":1}', 7, /"a" twice/],
  ["a duplicate key behind an escape", '{"a":1,"\\u0061":1}', 7, /"a" twice/],
  ["a duplicate key after a nested object", '{"a":{"b":[{}]},"a":1}', 16, /"a" twice/],
  ["a duplicate key deep inside", '[[{"x":{"y":0,"y":0}}]]', 14, /"y" twice/],
  ["a duplicate key with a quote in it", '{"a\\"b":1,"a\\"b":2}', 10, /"a\\"b" twice/],
  ["an empty key twice", '{"":1,"":2}', 6, /"" twice/],
  ["the key __proto__", '{"a":{"__proto__":{}}}', 6, /__proto__/],
  ["the key __proto__ behind escapes", '{"\\u005f_proto\\u005f_":1}', 1, /__proto__/],
  ["65 levels", "[".repeat(65) + "]".repeat(65), 64, /at most 64 levels/],
  ["a million open arrays", "[".repeat(1e6), 64, /at most 64 levels/],
  ["a million open objects", '{"a":'.repeat(1e6), 320, /at most 64 levels/],
  ["a million and more values", `[0${",0".repeat(2 ** 20)}]`, 2097150, /at most 1048576 values/],
];

for (const [name, text, at, reason] of hostile) {
  Deno.test(`parseJson() refuses ${name} and says where`, () => {
    const error = errorOf(parseJson(text));
    assert.equal(error.at, at);
    assert.match(error.reason, reason);
  });
}

Deno.test("parseJson() takes equal keys in different objects, and keys that are also values", () => {
  const text = '{"a":"a","b":["a","a",{"a":{"a":0}}],"c":{"a":"__proto__"},"d":["","__proto__"],' +
    '"e":"\\",\\"a\\":0,","f":"\\\\"}';
  assert.deepEqual(parseJson(text), E.right(JSON.parse(text)));
});

Deno.test("parseJson() takes exactly as much as its limits say", () => {
  assert.ok(E.isRight(parseJson("[".repeat(64) + "]".repeat(64))));
  assert.ok(E.isRight(parseJson("[[[]],[]]", { maxDepth: 3 })));
  assert.ok(E.isLeft(parseJson("[[[[]]]]", { maxDepth: 3 })));
  assert.ok(E.isRight(parseJson("12345", { maxLength: 5 })));
  assert.match(errorOf(parseJson("123456", { maxLength: 5 })).reason, /at most 5 .* found 6$/);
  assert.ok(E.isRight(parseJson("[1,2,3]", { maxValues: 4 })));
  assert.ok(E.isLeft(parseJson("[1,2,3,4]", { maxValues: 4 })));
  assert.ok(E.isRight(parseJson(`"${"a".repeat(16 * 2 ** 20 - 2)}"`)));
  assert.ok(E.isLeft(parseJson(`"${"a".repeat(16 * 2 ** 20 - 1)}"`)));
});

Deno.test("parseJson() keeps __proto__ as a key like any other where it is asked to", () => {
  const parsed = parseJson('{"__proto__":[1]}', { protoKeys: "keep" });
  assert.ok(E.isRight(parsed));
  assert.deepEqual(Object.entries(parsed.right as object), [["__proto__", [1]]]);
  assert.equal(Object.getPrototypeOf(parsed.right), Object.prototype);
});

Deno.test("parseJson() refuses what is not JSON and never throws", () => {
  const texts = [
    "",
    " ",
    "{",
    '{"a"',
    '{"a":}',
    "[1,]",
    "01",
    "NaN",
    "'a'",
    '"\\x"',
    '"',
    '"\\',
    "\ufeff1",
  ];
  for (const text of [...texts, "[".repeat(10), '{"\\u00":1}', "[1]]", "{]", '{"a":1}}', ",,"]) {
    assert.match(errorOf(parseJson(text)).reason, /^expected a JSON text, found: /, text);
  }
  const deep = parseJson("[".repeat(1e6), { maxDepth: Infinity, maxValues: Infinity });
  assert.ok(E.isLeft(deep));
});

Deno.test("parseJson() answers as JSON.parse does on texts that are nearly JSON", () => {
  const piece = fc.constantFrom(...'{}[],:"\\ -1ea', '"a"', '"b":', "true", "null", "\\u0061");
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(text, (text) => {
      const result = parseJson(text);
      let expected: unknown;
      try {
        expected = JSON.parse(text);
      } catch {
        assert.ok(E.isLeft(result), text);
        return;
      }
      if (E.isLeft(result)) assert.match(result.left.reason, /twice/, text);
      else assert.deepEqual(result.right, expected);
    }),
    { numRuns: 2000 },
  );
});

function errorOf(result: E.Either<JsonError, Json>): JsonError {
  assert.ok(E.isLeft(result), "expected a refusal");
  assert.equal(result.left.type, "BadJson");
  return result.left;
}

/** Whether canonical JSON takes the value: fast-check also makes -0, lone surrogates and __proto__. */
function isCarried(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  if (typeof value === "string") return value.isWellFormed() && value !== "__proto__";
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every((entry) => entry.every(isCarried));
}
