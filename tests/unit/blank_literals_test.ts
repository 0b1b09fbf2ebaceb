import assert from "node:assert/strict";
import fc from "fast-check";
import { blankLiterals, findLiterals } from "../../tools/blank_literals.ts";

/** Gives the texts that are not code, each with its kind. */
function literalsOf(text: string): readonly (readonly [string, string])[] {
  return findLiterals(text).map(({ kind, start, end }) => [kind, text.slice(start, end)]);
}

Deno.test("blankLiterals() blanks comments, marks included, and keeps the lines", () => {
  assert.equal(blankLiterals("a; // Date\nb /* Date\r\n */ c"), "a;        \nb        \r\n    c");
  assert.equal(blankLiterals("#!deno\nDate"), "      \nDate");
  assert.equal(blankLiterals("a /* never closed"), "a                ");
});

Deno.test("blankLiterals() blanks the insides of strings and keeps their quotes", () => {
  assert.equal(blankLiterals(`f("Date", 'it"s') + Date`), `f("    ", '    ') + Date`);
  assert.equal(blankLiterals(String.raw`"a\"b" + Date`), `"    " + Date`);
  assert.equal(blankLiterals(`'' + "" + Date`), `'' + "" + Date`);
});

Deno.test("blankLiterals() lets an unclosed string end with its line", () => {
  assert.equal(blankLiterals(`"open\nDate`), `"    \nDate`);
});

Deno.test("blankLiterals() blanks template texts and keeps the code in them", () => {
  assert.equal(blankLiterals("`Date ${Date} Date`;Date"), "`     ${Date}     `;Date");
  assert.equal(
    blankLiterals("`x${f({ a: `y${Date}` }, '}')}z` + Date"),
    "` ${f({ a: ` ${Date}` }, ' ')} ` + Date",
  );
  assert.equal(blankLiterals("`\\`\\${Date}` + Date"), "`          ` + Date");
});

Deno.test("findLiterals() tells a regular expression from a division", () => {
  const regexes: readonly (readonly [code: string, inside: string])[] = [
    ["x = /a'b/g", "a'b"],
    ["f(/[/'\"]/u)", "[/'\"]"],
    ["return /`/.test(x)", "`"],
    ["x => /\\//", "\\/"],
    ["if (x) /'/.test(x)", "'"],
    ["a !== /'/", "'"],
    ["[/'/]", "'"],
  ];
  for (const [code, inside] of regexes) {
    assert.deepEqual(literalsOf(code), [["regex", inside]], code);
  }

  const divisions = [
    "a / b / c",
    "f(a) / b / c",
    "a[0] / b / c",
    "1 / 2 / 3",
    "i++ / b / c",
    "a! / b / c",
    "a.return / b / c",
    "{ a } / b / c",
    "a = b\n  / c",
    "x = / c",
  ];
  for (const code of divisions) assert.deepEqual(literalsOf(code), [], code);
});

Deno.test("findLiterals() names each kind, in order", () => {
  assert.deepEqual(literalsOf("/** d */ f('s', `t`, /r/g); // c"), [
    ["comment", "/** d */"],
    ["string", "s"],
    ["template", "t"],
    ["regex", "r"],
    ["comment", "// c"],
  ]);
});

Deno.test("blankLiterals() keeps length and line breaks, whatever it is given", () => {
  const piece = fc.constantFrom(
    ..."' \" ` ${ } { ( ) [ ] / // /* */ \\ ! ++ = if return Date x 1 . \n \r\n \u2028".split(" "),
    " ",
    "#!",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const text = pieces.join("");
      const blanked = blankLiterals(text);
      assert.equal(blanked.length, text.length);
      assert.equal(blanked.replace(/[^\r\n\u2028]/g, " "), text.replace(/[^\r\n\u2028]/g, " "));
    }),
    { seed: 42, numRuns: 2000 },
  );
});
