import assert from "node:assert/strict";
import { anchorsOf, checkDocs } from "../../tools/check_docs.ts";

/** Checks `README.md` with this text in a small tree, and gives `line: message` of each finding. */
function findingsFor(text: string, path = "README.md"): readonly string[] {
  return checkDocs([
    { path, text },
    { path: "deno.json", text: JSON.stringify({ tasks: { ok: "deno lint", "check:docs": "x" } }) },
    { path: "docs/format.md", text: "# The format\n\n## On disk\n" },
    { path: "docs/a b.svg", text: "" },
    { path: "src/core/evolve.ts", text: "" },
  ]).map(({ line, message }) => `${line}: ${message}`);
}

function assertFound(text: string, expected: RegExp, path?: string): void {
  const findings = findingsFor(text, path);
  assert.equal(findings.length, 1, `${text}\n${findings.join("\n")}`);
  assert.match(findings[0] ?? "", expected);
}

function assertClean(text: string, path?: string): void {
  assert.deepEqual(findingsFor(text, path), [], text);
}

Deno.test("checkDocs() refuses a link or an image to a file that does not exist", () => {
  assertFound("a\n\n[b](docs/none.md)", /^3: found a link to "docs\/none\.md", expected a file/);
  assertFound("![b](docs/none.svg)", /docs\/none\.svg/);
  assertFound("[![b](docs/none.svg)](docs/format.md)", /docs\/none\.svg/);
  assertFound("[![b](docs/format.md)](docs/none.md)", /docs\/none\.md/);
  assertFound('[b](<docs/no ne.md> "title")', /docs\/no ne\.md/);
  assertFound("[b][c]\n\n[c]: docs/none.md", /^3: .*docs\/none\.md/);
  assertFound('<img width="1" src="docs/none.svg">', /docs\/none\.svg/);
  assertFound("[b](../outside.md)", /\.\.\/outside\.md/);
  assertFound("[b](docs/Format.md)", /docs\/Format\.md/);
});

Deno.test("checkDocs() accepts links to files, folders and other sites", () => {
  assertClean(
    "[a](docs/format.md) [b](./docs/) [c](docs) [d](/docs/format.md) ![e](docs/a%20b.svg)",
  );
  assertClean("[a](<docs/a b.svg>) [b](docs/format.md 'title') <a href='docs/format.md'>c</a>");
  assertClean("[a](https://example.org/none.md#x) [b](mailto:a@example.org) [c](//example.org/x)");
  assertClean("[a](format.md) [b](../src/core/evolve.ts#L3) [c](../)", "docs/guide.md");
});

Deno.test("checkDocs() refuses an anchor that no heading has", () => {
  assertFound("[a](docs/format.md#none)", /expected a heading of docs\/format\.md .* on-disk$/);
  assertFound("# Here\n\n[a](#there)", /^3: .*README\.md with the anchor #there/);
  assertFound("[a](#Here)\n\n# Here", /#Here/);
});

Deno.test("checkDocs() accepts an anchor that a heading or an id has", () => {
  assertClean("[a](docs/format.md#on-disk) [b](#here)\n\n# Here");
  assertClean('[a](#mark)\n\n<a id="mark"></a>');
});

Deno.test("anchorsOf() follows GitHub's rules", () => {
  const headings: readonly (readonly [heading: string, slug: string])[] = [
    ["# 1. Two folds", "1-two-folds"],
    ["## `deno task ok`: the gate", "deno-task-ok-the-gate"],
    ["## What *is* _it_, [really](x.md)?", "what-is-it-really"],
    ["## snake_case & more ##", "snake_case--more"],
    ["## `_private_`", "_private_"],
    ["## Caf\u00e9 \u2014 au lait", "caf\u00e9--au-lait"],
    ["Underlined\n===", "underlined"],
    ["Also underlined\n---", "also-underlined"],
    ["### ![logo](x.svg) Name", "name"],
  ];
  for (const [heading, slug] of headings) assert.deepEqual([...anchorsOf(heading)], [slug]);

  assert.deepEqual([...anchorsOf("# A\n\n# A\n\n# A-1\n\n# A")], ["a", "a-1", "a-1-1", "a-2"]);
  assert.deepEqual([...anchorsOf("# A\n\n```sh\n# not a heading\n```\n\n~~~\n# nor this\n~~~")], [
    "a",
  ]);
  assert.deepEqual([...anchorsOf("| a |\n| --- |\n\n- b\n---\n\n#tag")], []);
});

Deno.test("checkDocs() leaves links in code and in comments alone", () => {
  assertClean("```md\n[a](none.md)\n```\n\n`[a](none.md)` and ``[`a`](none.md)``");
  assertClean("<!-- [a](none.md) -->");
  assertClean("````md\n```\n[a](none.md)\n```\n[a](none.md)\n````");
});

Deno.test("checkDocs() reads on after code", () => {
  assertFound("```ts\nx\n```\n[a](none.md)", /^4: /);
  assertFound("```inline``` [a](none.md)", /^1: /);
  assertFound("a lone ` tick\n\n[a](none.md) another `", /^3: /);
});

Deno.test("checkDocs() refuses a task that deno.json does not have", () => {
  assertFound("Run `deno task none`.", /found "deno task none".*name one of ok, check:docs/);
  assertFound("```sh\ndeno task none --x\n```", /^2: found "deno task none"/);
  assertFound("deno task -q none.", /"deno task none"/);
});

Deno.test("checkDocs() accepts the tasks of deno.json, and placeholders", () => {
  assertClean("`deno task ok`, deno task check:docs. `deno task <name>`");
});

Deno.test("checkDocs() refuses a path in backticks that does not exist", () => {
  assertFound("a\n`src/core/none.ts`", /^2: found `src\/core\/none\.ts`, expected a path/);
  assertFound("`tests/unit/`", /tests\/unit/);
  assertFound("`docs/none.md#x`", /there is no docs\/none\.md;/);
  assertFound("`tools/none.ts --flag`", /tools\/none\.ts/);
  assertFound("`bench/none_bench.ts`", /bench\/none_bench\.ts/);
});

Deno.test("checkDocs() accepts paths that exist, and those that stand for others", () => {
  assertClean(
    "`src/core/evolve.ts`, `src/core/`, `src`, `docs/format.md#on-disk`, `src/core/evolve.ts:3`",
  );
  assertClean("`src/<layer>/x.ts`, `tests/*_test.ts`, `docs/\u2026`, `bench/...`, `runs/none`");
  assertClean("```\nsrc/core/none.ts\n```\n\nsrc/core/none.ts");
});

Deno.test("checkDocs() refuses whitespace at the end of a line", () => {
  assertFound("a\nb  \nc", /^2: found whitespace/);
  assertFound("a\t", /^1: found whitespace/);
  assertFound("```\nx \n```", /^2: found whitespace/);
  assertFound("a\r\nb", /^1: found whitespace/);
});

Deno.test("checkDocs() reads the documents of the root and of docs/ only", () => {
  for (const path of ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/guide/a.md"]) {
    assertFound("[a](none.md)", /none\.md/, path);
  }
  for (const path of ["changelog/unreleased/a.md", "tests/README.md", "docs/a.txt"]) {
    assertClean("[a](none.md)", path);
  }
});
