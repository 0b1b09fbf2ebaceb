import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { codeOf } from "../../src/adapters/code/code_of.ts";
import type { CodeIdentity } from "../../src/codec/code_identity.ts";
import { sha256 } from "../../src/codec/digest.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";
import { fileTree } from "../support/file_tree.ts";

Deno.test("codeOf() follows static imports, re-exports, dynamic imports and side effects", async () => {
  const files = {
    "main.ts": `import { a } from "./a.ts";\nimport "./deep/side.ts";\nexport * from "./b.mjs";\n` +
      `export { c as d } from './c.js';\nconst e = await import("./e.ts");\n` +
      "const f = () => import(`./f.mts`);\nimport * as g from '../src/g.cjs';",
    "a.ts": "export const a: number = 1;",
    "deep/side.ts": `import("../h.ts").then(() => {});`,
    "b.mjs": "export default class {}",
    "c.js": "export const c = /import '.\\/no.ts'/;",
    "e.ts": "// import './no.ts'\nexport const e = `import './no.ts'`;",
    "f.mts": "export {};",
    "g.cjs": "",
    "h.ts": "",
  };
  const inSource = Object.entries(files).map(([name, text]) => [`src/${name}`, text]);
  assert.deepEqual(await pathsOf(Object.fromEntries(inSource), "src/main.ts"), [
    ...["a.ts", "b.mjs", "c.js", "deep/side.ts", "e.ts", "f.mts", "g.cjs", "h.ts", "main.ts"],
  ]);
});

Deno.test("codeOf() names each file by the digest of its bytes, and all of them by the manifest's", async () => {
  const text = `import "./b.ts"; const text = "\u00e9";`;
  const { manifest, digest, objects } = await codeIn({ "a.ts": text, "b.ts": "" }, "a.ts");
  assert.deepEqual(manifest.files, { "a.ts": sha256(text), "b.ts": sha256("") });
  assert.deepEqual(objects.map((bytes) => sha256(bytes)).sort(), [
    ...[sha256(text), sha256(""), digest].sort(),
  ]);
});

Deno.test("codeOf() leaves out imports of types, and comes to an end where imports go round", async () => {
  const files = {
    "a.ts": `import type { B } from "./b.ts";\nexport type { C } from "./c.ts";\n` +
      `import { d } from "./d.ts";\nlet t: import("./t.ts").T;\nexport let b: B;`,
    "b.ts": "export interface B {}",
    "c.ts": "export interface C {}",
    "d.ts": `import { e, type F } from "./e.ts";\nexport const d = e;`,
    "e.ts": `import "./a.ts";\nimport "./e.ts";\nexport const e = 1; export type F = 2;`,
    "t.ts": "export type T = 1",
  };
  assert.deepEqual(await pathsOf(files, "a.ts"), ["a.ts", "d.ts", "e.ts"]);
});

Deno.test("codeOf() keeps JSON and other data, and does not look for imports in it", async () => {
  const data = `{ "text": "import './no.ts'" `;
  const files = {
    "a.ts":
      `import b from "./b.json" with { type: "json" };\nimport c from "./c.ts" with { type: "text" };\n` +
      `await import("./d.json", { with: { type: "json" } });`,
    "b.json": data,
    "c.ts": `import "./no.ts"; ((`,
    "d.json": "[]",
  };
  const { manifest } = await codeIn(files, "a.ts");
  assert.deepEqual(Object.keys(manifest.files).sort(), ["a.ts", "b.json", "c.ts", "d.json"]);
  assert.equal(manifest.files["b.json"], sha256(data));
});

Deno.test("codeOf() reads a file as code where one module imports it as text and another as code", async () => {
  const files = {
    "a.ts": `import c from "./b.ts" with { type: "text" };\nimport "./c.ts";`,
    "b.ts": `import "./d.ts";`,
    "c.ts": `import "./b.ts";`,
    "d.ts": "",
  };
  assert.deepEqual(await pathsOf(files, "a.ts"), ["a.ts", "b.ts", "c.ts", "d.ts"]);
});

Deno.test("codeOf() goes through the nearest deno.json: aliases, longest beginnings, own exports", async () => {
  const config = `{
    // with comments, "quoted" ones too, and trailing commas
    "name": "@me/mine",
    "exports": { ".": "./mod.ts", "./part": "./lib/part.ts", },
    "imports": {
      "alias": "./lib/alias.ts",
      "lib/": "./lib/",
      "lib/deep/": "./other/",
      "./moved.ts": "./lib/moved.ts", /* a file that is another */
      "pkg": "npm:pkg@1.2.3",
      "@std/x": "jsr:@std/x@^1.0.0",
      "far/": "https://example.org/far/",
    },
  }`;
  const files = {
    "outer/deno.json": `{ "imports": { "alias": "./no.ts" } }`,
    "outer/in/deno.json": config,
    "outer/in/deno.lock": "{}",
    "outer/in/src/a.ts":
      `import "alias"; import "lib/b.ts"; import "lib/deep/c.ts"; import "../moved.ts";
      import "@me/mine/part"; import "@me/mine"; import "pkg"; import "pkg/sub"; import "@std/x/y";
      import "far/z.ts"; import fs from "node:fs"; import "jsr:@a/b@1"; import "https://example.org/q.ts";
      import "data:text/javascript,1"; import "pkg";`,
    "outer/in/lib/alias.ts": "",
    "outer/in/lib/b.ts": "",
    "outer/in/lib/moved.ts": "",
    "outer/in/lib/part.ts": "",
    "outer/in/mod.ts": "",
    "outer/in/other/c.ts": "",
  };
  const { manifest } = await codeIn(files, "outer/in/src/a.ts");
  assert.deepEqual(Object.keys(manifest.files).sort(), [
    ...["deno.json", "deno.lock", "lib/alias.ts", "lib/b.ts", "lib/moved.ts", "lib/part.ts"],
    ...["mod.ts", "other/c.ts", "src/a.ts"],
  ]);
  assert.deepEqual(manifest.imports, [
    "data:text/javascript,1",
    "https://example.org/far/z.ts",
    "https://example.org/q.ts",
    "jsr:/@std/x@^1.0.0/y",
    "jsr:@a/b@1",
    "node:fs",
    "npm:/pkg@1.2.3/sub",
    "npm:pkg@1.2.3",
  ]);
});

Deno.test("codeOf() reads deno.jsonc, and an import map that it names", async () => {
  const files = {
    "deno.jsonc": `{ "importMap": "./maps/map.json" } // that one`,
    "maps/map.json": `{ "imports": { "a": "../lib/a.ts" } }`,
    "src/main.ts": `import "a";`,
    "lib/a.ts": "",
  };
  const expected = ["deno.jsonc", "lib/a.ts", "maps/map.json", "src/main.ts"];
  assert.deepEqual(await pathsOf(files, "src/main.ts"), expected);
});

Deno.test("codeOf() tells the same of two checkouts in two places, and of parameters and order nothing", async () => {
  const files = {
    "in a place/a b.ts": `import "./c%20d.ts?v=1"; import "./c%20d.ts#2"; import "./\u00e9.ts";`,
    "in a place/c d.ts": "",
    "in a place/\u00e9.ts": "",
    "e.ts": "",
  };
  await using one = await fileTree(files);
  await using other = await fileTree({ ...files, "in a place/unused.ts": "1" });
  const [first, second] = ["in a place/a b.ts", "e.ts"];
  const before = await orThrow(codeOf([one.url(first), one.url(second)]));
  const after = await orThrow(codeOf([other.url(second), other.url(first), other.url(first)]));
  assert.deepEqual(after.manifest, before.manifest);
  assert.equal(after.digest, before.digest);
  assert.deepEqual(Object.keys(before.manifest.files).sort(), Object.keys(files).sort());
  await Deno.writeTextFile(`${other.path}/in a place/c d.ts`, " ");
  assert.notEqual((await orThrow(codeOf([other.url(first)]))).digest, before.digest);
});

Deno.test("codeOf() lists a root that is no file, since its address pins it", async () => {
  const address = "https://jsr.io/@foldlog/foldlog/0.1.0/mod.ts";
  const { manifest } = await orThrow(codeOf([address]));
  assert.deepEqual([manifest.files, manifest.imports], [{}, [address]]);
});

Deno.test("codeOf() reads TypeScript that looks like a regular expression or like JSX", async () => {
  const files = {
    "a.ts": `const half = (x as number)! / 2; const cast = <T,>(x: T) => x;\n` +
      `type A = Array<Map<string, 1>>;\nenum E { A }\nnamespace N { export const n = 1 }\n` +
      `class C { constructor(private readonly text = "'") {} }\nimport "./b.ts";`,
    "b.ts":
      `function is<T>(x: T): x is T { return true }\nconst n = is<number> / 2;\nimport "./c.ts";`,
    "c.ts": "",
  };
  assert.deepEqual(await pathsOf(files, "a.ts"), ["a.ts", "b.ts", "c.ts"]);
});

for (
  const [name, files, found] of [
    [
      "is not there",
      { "a.ts": `import "./no.ts";` },
      /no\.ts, which .*\/a\.ts imports: .*os error/,
    ],
    ["is a directory", { "a.ts": `import "./b";`, "b/c.ts": "" }, /\/b, which .*a\.ts imports/],
    [
      "cannot be parsed",
      { "a.ts": `import "./b.ts";`, "b.ts": "const = {{ '" },
      /\/b\.ts: expected /,
    ],
    ["is JSX", { "a.ts": `import "./b.tsx";`, "b.tsx": "const a = <b>it's</b>" }, /b\.tsx: .*JSX/],
    ["no import map leads to", { "a.ts": `import "bare";` }, /a\.ts: it imports "bare", which no/],
    ["its config cannot tell", { "a.ts": "", "deno.json": "{" }, /deno\.json: expected a JSON/],
    [
      "its config gives no text for",
      { "a.ts": "", "deno.json": `{ "imports": { "b": 1 } }` },
      /"imports/,
    ],
    [
      "scopes lead to",
      { "a.ts": "", "deno.json": `{ "scopes": { "b": {} } }` },
      /deno\.json: .*scopes/,
    ],
    [
      "its import map should name",
      { "a.ts": "", "deno.json": `{ "importMap": "m" }` },
      /\/m: .*not there/,
    ],
    [
      "a name of one system leads to",
      { "a.ts": `import "./b%5Cc.ts";`, "b\\c.ts": "" },
      /c\.ts: .*back/,
    ],
    [
      "no file can have as a name",
      { "a.ts": `import "./b%2Fc.ts";` },
      /b%2Fc\.ts, which .*a\.ts imports/,
    ],
  ] satisfies [string, Record<string, string>, RegExp][]
) {
  Deno.test(`codeOf() fails, and names the file, where one ${name}`, async () => {
    await using tree = await fileTree(files);
    const result = await codeOf([tree.url("a.ts")])();
    assert.ok(E.isLeft(result), JSON.stringify(result));
    const { type, file, reason } = result.left;
    assert.equal(type, "CodeUnreadable");
    assert.match(`${file}: ${reason}`, found);
  });
}

Deno.test("codeOf() finds those modules of this repository that Deno finds, and no others", async () => {
  const repository = new URL("../../", import.meta.url);
  const url = (path: string) => new URL(path, repository).href;
  const roots = [
    "src/recipes/moby_gpt.ts",
    "src/app/training/train_run.ts",
    "src/adapters/device/tfjs_backend.ts",
  ];
  const { manifest } = await orThrow(codeOf(roots.map(url)));
  const expected = new Set([url("deno.json"), url("deno.lock")]);
  for (const root of roots) await addModules(url(root), expected);
  assert.deepEqual(Object.keys(manifest.files).map(url).sort(), [...expected].sort());
  assert.ok(expected.size > 100);
  assert.ok(manifest.imports.includes("npm:@tensorflow/tfjs@4.22.0"));
});

async function codeIn(files: Record<string, string>, root: string): Promise<CodeIdentity> {
  await using tree = await fileTree(files);
  return await orThrow(codeOf([tree.url(root)]));
}

async function pathsOf(files: Record<string, string>, root: string): Promise<readonly string[]> {
  return Object.keys((await codeIn(files, root)).manifest.files).sort();
}

/** What `deno info` says of a module. */
interface ModuleInfo {
  readonly specifier: string;
  readonly dependencies?: readonly { readonly code?: { readonly specifier: string } }[];
}

/** Adds the files that a module needs when it runs, by Deno's own account. */
async function addModules(root: string, found: Set<string>): Promise<void> {
  const info = new Deno.Command(Deno.execPath(), { args: ["info", "--json", root] });
  const { modules } = JSON.parse(new TextDecoder().decode((await info.output()).stdout));
  const byUrl = new Map((modules as ModuleInfo[]).map((module) => [module.specifier, module]));
  const add = (url: string) => {
    if (!url.startsWith("file:") || found.has(url)) return;
    found.add(url);
    for (const { code } of byUrl.get(url)?.dependencies ?? []) if (code) add(code.specifier);
  };
  add(root);
}
