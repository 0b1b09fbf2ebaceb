import assert from "node:assert/strict";
import { join, normalize } from "node:path";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import { parseRunId } from "../../src/core/run_id.ts";

const PATTERN_REASON =
  "expected 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit";
const RESERVED_REASON = "this name is reserved by the store";

Deno.test("parseRunId() takes 1 to 64 letters, digits, dots, underscores and hyphens", () => {
  const longest = "a".repeat(64);
  for (const text of ["a", "7", "moby-1", "A.b_c-D", "0.1.2", "a..b", "a-", "a_", longest]) {
    assert.deepEqual(parseRunId(text), E.right(text));
  }
});

Deno.test("parseRunId() refuses what is no plain name, and says what it expected", () => {
  const hostile = [
    ...["", " ", "a b", " a", "a ", "\t", "a\n", "\na", "a\r", "\u0000", "a\u0000", "a\u0000b"],
    ...[".", "..", "...", ".a", "-a", "_a", "--help", ".archive"],
    ...["../x", "..\\x", "x/../y", "/", "/etc", "a/b", "a\\b", "C:", "a:b", "~", "$HOME", "%2e"],
    ...["caf\u00e9", "\u043c\u043e\u0431\u0438", "\u{1f433}", "a\u200b", "\uff41", "\ud800"],
    ...["a".repeat(65), "a".repeat(100_000), "a*", "a?", "a|b", "a;b", "a&b", "a`b", "a'b", 'a"b'],
  ];
  for (const found of hostile) {
    const error = { type: "BadRunId", found, reason: PATTERN_REASON };
    assert.deepEqual(parseRunId(found), E.left(error), JSON.stringify(found.slice(0, 20)));
  }
});

Deno.test("parseRunId() keeps the store's own names, in any case, and a dot at the end", () => {
  for (const found of ["objects", "OBJECTS", "Objects", "a.", "1.2.", "objects."]) {
    assert.deepEqual(
      parseRunId(found),
      E.left({ type: "BadRunId", found, reason: RESERVED_REASON }),
    );
  }
  for (const text of ["objects1", "my-objects", "object"]) assert.ok(E.isRight(parseRunId(text)));
});

Deno.test("a run id that parseRunId() took is one directory inside the store, with no detour", () => {
  const text = fc.oneof(
    fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 })
      .map((units) => String.fromCharCode(...units)),
    fc.string({ unit: fc.constantFrom(..."aZ09._-/\\ \n"), maxLength: 8 }),
  );
  fc.assert(
    fc.property(text, (text) => {
      const parsed = parseRunId(text);
      if (E.isLeft(parsed)) return assert.equal(parsed.left.found, text);
      assert.equal(parsed.right, text);
      assert.equal(normalize(join("runs", text)), `runs/${text}`);
      assert.ok(text.length <= 64 && !/[/\\\s]/.test(text) && !text.startsWith("."));
    }),
    { numRuns: 300 },
  );
});
