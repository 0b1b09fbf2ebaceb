import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import { codeDifference, codeIdentity } from "foldlog";
import { decodeCodeManifest, encodeCodeManifest, sha256 } from "foldlog/codec";
import { isCodePath } from "../../src/core/code_manifest.ts";
import { codeFrom, firstCode, nextCode } from "../support/small_code.ts";

const paths = fc.string({ minLength: 1 }).filter(isCodePath);

Deno.test("a code manifest is read back as it was written, under the digest that names the code", () => {
  fc.assert(fc.property(
    fc.dictionary(paths, fc.uint8Array()),
    fc.array(fc.string()),
    (files, imports) => {
      const code = codeIdentity(new Map(Object.entries(files)), imports);
      const bytes = encodeCodeManifest(code.manifest);
      assert.equal(sha256(bytes), code.digest);
      assert.deepEqual(code.objects.at(-1), bytes);
      const read = decodeCodeManifest(bytes);
      assert.ok(E.isRight(read), JSON.stringify(read));
      assert.deepEqual(encodeCodeManifest(read.right), bytes);
      for (const [path, content] of Object.entries(files)) {
        assert.equal(read.right.files[path], sha256(content));
      }
      assert.deepEqual(new Set(read.right.imports), new Set(imports));
    },
  ));
});

Deno.test("code has one name, in whatever order its files and imports are told", () => {
  const turned = codeFrom({ "src/loss.ts": "2", "task.ts": "1" }, ["npm:a@1.0.0", "npm:a@1.0.0"]);
  assert.equal(turned.digest, firstCode.digest);
  assert.notEqual(nextCode.digest, firstCode.digest);
});

const digest = sha256("");
for (
  const [name, text, reason] of [
    [
      "that leads up",
      manifestWith("../a.ts"),
      /expected a relative path of a file, found "\.\.\/a/,
    ],
    ["that leads up in between", manifestWith("a/../../b.ts"), /expected a relative path/],
    ["from the root", manifestWith("/etc/passwd"), /expected a relative path/],
    ["from a drive", manifestWith("C:/a.ts"), /expected a relative path/],
    ["with a backslash", manifestWith("..\\\\a.ts"), /expected a relative path/],
    ["with a NUL", manifestWith("a\\u0000.ts"), /expected a relative path|canonical/],
    ["that is empty", manifestWith(""), /expected a relative path/],
    ["of a directory", manifestWith("a/"), /expected a relative path/],
    ["__proto__", manifestWith("__proto__"), /__proto__/],
    ["with no digest", '{"files":{"a":1},"format":1,"imports":[]}', /expected SHA-256 digest/],
    ["beside unsorted imports", '{"files":{},"format":1,"imports":["b","a"]}', /sorted order/],
    ["beside an import twice", '{"files":{},"format":1,"imports":["a","a"]}', /sorted order/],
    ["beside what is unknown", '{"files":{},"format":1,"imports":[],"x":1}', /no other member/],
    ["in another form of JSON", '{"files": {},"format":1,"imports":[]}', /canonical JSON/],
    ["in no JSON", "{", /not JSON/],
    ["in an older format", '{"files":{},"format":0,"imports":[]}', /format 1/],
  ] as const
) {
  Deno.test(`a code manifest with a path ${name} is damaged`, () => {
    const read = decodeCodeManifest(new TextEncoder().encode(text));
    assert.ok(E.isLeft(read) && read.left.type === "Damaged", JSON.stringify(read));
    assert.match(read.left.reason, reason);
  });
}

Deno.test("a code manifest of a newer format is told from a damaged one", () => {
  const read = decodeCodeManifest(new TextEncoder().encode('{"anything":1,"format":2}'));
  assert.deepEqual(read, E.left({ type: "NewerFormat", found: 2, known: 1 }));
  assert.ok(E.isLeft(decodeCodeManifest(Uint8Array.of(0xff))));
});

Deno.test("isCodePath() takes what a file below a directory can be called, and nothing else", () => {
  for (const path of ["a", "a.b/c d/\u00e9.ts", "...", "a..b", ".env", "constructor"]) {
    assert.ok(isCodePath(path), path);
  }
  const refused = [
    "",
    ".",
    "..",
    "/",
    "a//b",
    "a/.",
    "./a",
    "a\\b",
    "c:a",
    "\0",
    "\ud800",
    "__proto__",
  ];
  for (const path of refused) assert.ok(!isCodePath(path), path);
});

Deno.test("codeDifference() names what changed, came and went, sorted, and nothing of equal code", () => {
  assert.deepEqual(codeDifference(firstCode.manifest, nextCode.manifest), {
    changed: ["task.ts"],
    added: ["src/new.ts"],
    removed: ["src/loss.ts"],
    importsAdded: ["npm:a@2.0.0"],
    importsRemoved: ["npm:a@1.0.0"],
  });
  const nothing = { changed: [], added: [], removed: [], importsAdded: [], importsRemoved: [] };
  assert.deepEqual(codeDifference(firstCode.manifest, firstCode.manifest), nothing);
  const named = codeFrom({ constructor: "1" });
  assert.deepEqual(codeDifference(codeFrom({}).manifest, named.manifest).added, ["constructor"]);
});

function manifestWith(path: string): string {
  return `{"files":{"${path}":"${digest}"},"format":1,"imports":[]}`;
}
