import assert from "node:assert/strict";
import { checkLayers } from "../../tools/check_layers.ts";

const CONFIG = JSON.stringify({
  name: "@foldlog/foldlog",
  exports: { ".": "./mod.ts", "./core": "./src/core/mod.ts" },
  imports: {
    "@tensorflow/tfjs-core": "npm:@tensorflow/tfjs-core@4.22.0",
    "alias-of-tfjs": "npm:@tensorflow/tfjs-core@4.22.0",
    "canonicalize": "npm:canonicalize@5.1.0",
    "foldlog": "./mod.ts",
    "fp-ts/": "npm:/fp-ts@2.16.11/lib/",
    "io-ts": "npm:io-ts@2.2.22",
  },
});

/** Checks one file in a tree that holds nothing else, and gives `line: message` of each finding. */
function findingsFor(path: string, text: string): readonly string[] {
  return checkLayers([{ path, text }, { path: "deno.json", text: CONFIG }])
    .map(({ line, message }) => `${line}: ${message}`);
}

function assertFound(path: string, text: string, expected: RegExp): void {
  const findings = findingsFor(path, text);
  assert.equal(findings.length, 1, `${path}: ${text}\n${findings.join("\n")}`);
  assert.match(findings[0] ?? "", expected);
}

function assertClean(path: string, text: string): void {
  assert.deepEqual(findingsFor(path, text), [], `${path}: ${text}`);
}

Deno.test("checkLayers() refuses an import of a higher rank, in every form that names a module", () => {
  const forms = [
    `import { a } from "../app/a.ts";`,
    `import a, * as b from '../app/a.ts';`,
    `import type { A } from "../app/a.ts";`,
    `import { type A } from "../app/a.ts";`,
    `import {\n  a,\n} from "../app/a.ts";`,
    `import { "a-b" as c } from "../app/a.ts";`,
    `import"../app/a.ts";`,
    `export * from "../app/a.ts";`,
    `export * as a from "../app/a.ts";`,
    `export { a } from "../app/a.ts";`,
    `export type { A } from "../app/a.ts";`,
    `const a = import("../app/a.ts");`,
    "const a = import(/* lazily */ `../app/a.ts`);",
    `type A = import("../app/a.ts").A;`,
    `const a = new Worker(new URL("../app/a.ts", import.meta.url));`,
    `const a = import.meta.resolve("../app/a.ts");`,
    `// @ts-types="../app/a.ts"\nlet a;`,
    `/// <reference types="../app/a.ts" />`,
    `import { a } from "./../../src/app/a.ts";`,
  ];
  for (const form of forms) {
    assertFound(
      "src/core/a.ts",
      form,
      /found an import of src\/app\/a\.ts \(rank 3\), expected a file of src\/core\/ or a rank below 0: /,
    );
  }
});

Deno.test("checkLayers() names the line of the specifier", () => {
  assertFound("src/core/a.ts", `\n\nimport {\n  a,\n} from "../app/a.ts";`, /^5: /);
});

Deno.test("checkLayers() refuses an import of another layer of the same rank", () => {
  for (const [from, to] of [["train", "codec"], ["app", "adapters"], ["cli", "web"]]) {
    assertFound(`src/${from}/a.ts`, `import "../${to}/a.ts";`, /or a rank below/);
    assertFound(`src/${to}/a.ts`, `import "../${from}/a.ts";`, /or a rank below/);
  }
});

Deno.test("checkLayers() accepts imports of the same layer and of lower ranks", () => {
  const down = ["core", "codec", "ports", "app", "recipes", "cli"];
  down.forEach((from, i) => {
    for (const to of down.slice(0, i)) assertClean(`src/${from}/a.ts`, `import "../${to}/b.ts";`);
  });
  assertClean("src/train/kernels/a.ts", `import "../tree.ts"; import "../../core/json.ts";`);
  assertClean("src/testing/a.ts", `import "../adapters/memory_store.ts";`);
});

Deno.test("checkLayers() leaves imports in comments, strings and data URLs alone", () => {
  assertClean("src/core/a.ts", `// import "../app/a.ts"\nconst a = 'import "../app/a.ts"';`);
  assertClean("src/core/a.ts", `/** import { a } from "../app/a.ts" */`);
  assertClean("src/app/a.ts", `const a = new URL("../../docs/", import.meta.url);`);
  assertClean("src/app/a.ts", `const a = Array.from("../cli/a.ts");`);
});

Deno.test("checkLayers() refuses a folder of src/ that has no rank", () => {
  assertFound("src/util/a.ts", "", /^1: found no rank for src\/util, expected one of core, train/);
  assertFound("src/a.ts", "", /a file directly in src\//);
});

Deno.test("checkLayers() refuses imports from src/ of what lies outside of it", () => {
  for (const to of ["tests/support/a.ts", "bench/a.ts", "tools/support.ts", "mod.ts"]) {
    assertFound("src/cli/a.ts", `import "../../${to}";`, /expected a file of src\//);
  }
  assertFound("src/core/a.ts", `import c from "../../deno.json";`, /expected a file of src\//);
  assertClean("src/cli/a.ts", `import c from "../../deno.json" with { type: "json" };`);
});

Deno.test("checkLayers() sees through the names that deno.json gives to files", () => {
  assertFound("src/app/a.ts", `import "foldlog";`, /found an import of mod\.ts/);
  assertFound("src/app/a.ts", `import "@foldlog/foldlog";`, /found an import of mod\.ts/);
  assertFound("src/codec/a.ts", `import "@foldlog/foldlog/none";`, /does not map/);
  assertClean("src/codec/a.ts", `import "@foldlog/foldlog/core";`);
  assertClean("tests/unit/a_test.ts", `import "foldlog";`);
});

Deno.test("checkLayers() lets mod.ts import src/ except cli and web", () => {
  assertClean("mod.ts", `export * from "./src/recipes/mod.ts"; export * from "./src/app/a.ts";`);
  assertFound("mod.ts", `export * from "./src/cli/main.ts";`, /found an import of src\/cli\/main/);
  assertFound("mod.ts", `export * from "./src/web/page.ts";`, /found an import of src\/web\/page/);
  assertFound("mod.ts", `export * from "./tools/support.ts";`, /expected a file of src\//);
});

Deno.test("checkLayers() lets tests, benchmarks and tools import what they like", () => {
  for (const path of ["tests/unit/a_test.ts", "bench/a_bench.ts", "tools/a.ts"]) {
    const text =
      `import "../src/cli/main.ts"; import "node:fs"; import "io-ts"; Deno.exit(Math.random());`;
    assertClean(path, text);
  }
});

Deno.test("checkLayers() refuses specifiers that bypass deno.json, everywhere", () => {
  const inline = [
    "npm:a@1.0.0",
    "jsr:@std/a@1.0.0",
    "https://example.org/a.ts",
    "http://a.org/a.ts",
  ];
  for (const path of ["src/cli/a.ts", "tests/unit/a.ts", "bench/a.ts", "tools/a.ts", "mod.ts"]) {
    for (const specifier of inline) {
      assertFound(path, `import "${specifier}";`, /expected a name from deno\.json/);
    }
    assertFound(path, `import "left-pad";`, /found "left-pad", which deno\.json does not map/);
  }
  assertFound("src/cli/a.js", `// @ts-types="npm:a@1.0.0"\nlet a;`, /expected a name from deno/);
});

Deno.test("checkLayers() goes by the deno.json of a folder that has one of its own", () => {
  const files = [
    { path: "deno.json", text: `{"imports":{}}` },
    { path: "tools/a/deno.json", text: `{"imports":{"b":"npm:b@1.0.0"}}` },
  ];
  const text = `import b from "b";`;
  assert.deepEqual(checkLayers([...files, { path: "tools/a/c.ts", text }]), []);
  assert.equal(checkLayers([...files, { path: "tools/c.ts", text }]).length, 1);
});

Deno.test("checkLayers() accepts packages that deno.json maps, and their modules", () => {
  assertClean("src/codec/a.ts", `import "canonicalize"; import "canonicalize/lib/x.js";`);
  assertClean("src/core/a.ts", `import "fp-ts/Either.js"; import "fp-ts/function.js";`);
});

Deno.test("checkLayers() refuses a computed import outside of the outer layers", () => {
  assertFound("src/app/a.ts", "const a = import(path);", /specifier is computed/);
  assertFound("src/app/a.ts", "const a = import(`./${name}.ts`);", /specifier is computed/);
  assertClean("src/cli/a.ts", "const a = import(path);");
  assertClean("src/app/a.ts", "const a = import.meta.url;");
});

/** Each restriction: a file and a text that break it, then files in which the same text is right. */
const RESTRICTIONS: readonly {
  readonly claim: string;
  readonly texts: readonly string[];
  readonly wrongIn: readonly string[];
  readonly rightIn: readonly string[];
}[] = [
  {
    claim: "tfjs to train, model and the tfjs adapter",
    texts: [`import * as tf from "@tensorflow/tfjs-core";`, `import * as tf from "alias-of-tfjs";`],
    wrongIn: [
      "src/core/a.ts",
      "src/app/a.ts",
      "src/adapters/file_store.ts",
      "src/cli/a.ts",
      "mod.ts",
    ],
    rightIn: [
      "src/train/a.ts",
      "src/train/kernels/a.ts",
      "src/model/a.ts",
      "src/adapters/device/tfjs_backend.ts",
    ],
  },
  {
    claim: "io-ts to codec",
    texts: [`import * as t from "io-ts";`, `import "io-ts/PathReporter";`],
    wrongIn: ["src/core/a.ts", "src/ports/a.ts", "src/cli/a.ts", "mod.ts"],
    rightIn: ["src/codec/a.ts"],
  },
  {
    claim: "TaskEither to ports and above",
    texts: [
      `import * as TE from "fp-ts/TaskEither.js";`,
      `import type { ReaderTaskEither } from "fp-ts/ReaderTaskEither.js";`,
      `import { taskEither } from "fp-ts/index.js";`,
    ],
    wrongIn: ["src/core/a.ts", "src/train/a.ts", "src/codec/a.ts", "src/model/a.ts"],
    rightIn: ["src/ports/a.ts", "src/app/a.ts", "src/adapters/a.ts", "src/recipes/a.ts", "mod.ts"],
  },
  {
    claim: "node:crypto to codec and the outer layers",
    texts: [`import { createHash } from "node:crypto";`],
    wrongIn: ["src/core/a.ts", "src/train/a.ts", "src/app/a.ts", "mod.ts"],
    rightIn: ["src/codec/a.ts", "src/adapters/a.ts", "src/cli/a.ts"],
  },
  {
    claim: "node:assert to testing and the outer layers",
    texts: [`import assert from "node:assert/strict";`, `import assert from "node:assert";`],
    wrongIn: ["src/core/a.ts", "src/app/a.ts"],
    rightIn: ["src/testing/a.ts", "src/adapters/a.ts"],
  },
  {
    claim: "other node modules to the outer layers",
    texts: [
      `import "node:path";`,
      `import "node:fs/promises";`,
      `import type { A } from "node:zlib";`,
    ],
    wrongIn: ["src/core/a.ts", "src/codec/a.ts", "src/app/a.ts", "src/recipes/a.ts", "mod.ts"],
    rightIn: ["src/adapters/a.ts", "src/cli/a.ts", "src/web/a.ts"],
  },
  {
    claim: "Deno to the outer layers",
    texts: [
      ...["Deno.cwd();", "f(...Deno.args);", "globalThis.Deno;", "const { cwd } = Deno;"],
      "Deno.testing;",
    ],
    wrongIn: ["src/core/a.ts", "src/ports/a.ts", "src/app/a.ts", "src/testing/a.ts"],
    rightIn: ["src/adapters/a.ts", "src/cli/a.ts", "src/web/a.ts"],
  },
  {
    claim: "Deno.test to testing and the outer layers",
    texts: ["Deno.test(name, check);", "globalThis.Deno\n  .test(name, check);"],
    wrongIn: ["src/core/a.ts", "src/ports/a.ts", "src/app/a.ts"],
    rightIn: ["src/testing/a.ts", "src/adapters/a.ts", "tests/unit/a_test.ts"],
  },
  {
    claim: "clocks and timers to the outer layers",
    texts: [
      "const a = Date.now();",
      "const a = new Date();",
      "type A = { at: Date };",
      "const a = globalThis.Date.now();",
      "const a = performance.now();",
      "const a = Temporal.Now.instant();",
      "setTimeout(f, 1);",
      "setInterval(f, 1);",
      "const a = `${Date.now()}`;",
    ],
    wrongIn: ["src/core/a.ts", "src/train/a.ts", "src/app/a.ts", "src/recipes/a.ts"],
    rightIn: ["src/adapters/a.ts", "src/cli/a.ts", "src/web/a.ts"],
  },
  {
    claim: "random identifiers to the outer layers",
    texts: [
      "const a = crypto.randomUUID();",
      "crypto.getRandomValues(a);",
      "const a = randomUUID();",
      "const a = crypto.randomBytes(8);",
    ],
    wrongIn: ["src/core/a.ts", "src/codec/a.ts", "src/app/a.ts"],
    rightIn: ["src/adapters/a.ts", "src/cli/a.ts"],
  },
  {
    claim: "Math.random to nothing in src",
    texts: ["const a = Math.random();", "const a = Math\n  .random;"],
    wrongIn: [
      "src/core/a.ts",
      "src/train/a.ts",
      "src/adapters/a.ts",
      "src/cli/a.ts",
      "src/web/a.ts",
    ],
    rightIn: ["tests/unit/a_test.ts"],
  },
  {
    claim: "console to cli",
    texts: ["console.log(1);", "console?.error(1);", "globalThis.console.warn(1);"],
    wrongIn: ["src/core/a.ts", "src/app/a.ts", "src/adapters/a.ts", "src/web/a.ts"],
    rightIn: ["src/cli/a.ts"],
  },
  {
    claim: "promises to the layers above core",
    texts: ["type A = Promise<number>;", "f(async () => 1);", "type A = PromiseLike<number>;"],
    wrongIn: ["src/core/a.ts"],
    rightIn: ["src/ports/a.ts", "src/app/a.ts"],
  },
  {
    claim: "await to the layers that do not train purely",
    texts: ["await f();", "for await (const a of b) f(a);"],
    wrongIn: ["src/core/a.ts", "src/train/a.ts", "src/model/a.ts", "src/train/ownership.ts"],
    rightIn: ["src/app/a.ts", "src/adapters/a.ts"],
  },
  {
    claim: "dispose to ownership.ts and the layers above",
    texts: ["a.dispose();", "a?.dispose();", "a\n  .dispose();", "tf.dispose(a);"],
    wrongIn: ["src/train/a.ts", "src/train/kernels/a.ts", "src/model/a.ts"],
    rightIn: ["src/train/ownership.ts", "src/adapters/a.ts"],
  },
  {
    claim: "importing dispose to ownership.ts and the tfjs adapter",
    texts: [`import { dispose, tidy } from "@tensorflow/tfjs-core";`],
    wrongIn: ["src/train/a.ts", "src/model/a.ts"],
    rightIn: ["src/train/ownership.ts", "src/adapters/device/tfjs_backend.ts"],
  },
  {
    claim: "reading tensors back to the layers above",
    texts: [
      "a.dataSync();",
      "a.data();",
      "a.arraySync();",
      "a.array();",
      "a.dataSync<'int32'>;a.dataSync()",
    ],
    wrongIn: ["src/train/a.ts", "src/train/ownership.ts", "src/model/a.ts"],
    rightIn: ["src/app/a.ts", "src/adapters/a.ts"],
  },
  {
    claim: "tfjs's own mutable state to nothing in train and model",
    texts: [
      "const a: tf.Variable = b;",
      "const a = tf.variable(b);",
      "const a = tf.train.adam(1);",
      `import { variable } from "@tensorflow/tfjs-core";`,
      `import { type Variable } from "@tensorflow/tfjs-core";`,
      `import { train as t } from "@tensorflow/tfjs-core";`,
    ],
    wrongIn: ["src/train/a.ts", "src/train/ownership.ts", "src/model/a.ts"],
    rightIn: ["src/adapters/device/tfjs_backend.ts"],
  },
];

for (const { claim, texts, wrongIn, rightIn } of RESTRICTIONS) {
  Deno.test(`checkLayers() restricts ${claim}`, () => {
    for (const text of texts) {
      for (const path of wrongIn) {
        assertFound(path, text, /^\d+: found .+, expected none in .+: .+/s);
      }
      for (const path of rightIn) assertClean(path, text);
    }
  });
}

Deno.test("checkLayers() leaves restricted names in comments, strings and members alone", () => {
  const text = `
    // Deno.cwd(), Date, Math.random(), console.log, await
    /** a.dispose() and a.dataSync(), \`tf.Variable\` */
    const a = "Date" + 'Deno' + \`console.log \${b} await\` + /Date.now/;
    const c = b.Date + b.console + UpdateDate + $Date + DateTime;
    tf.trainStep(a.data, b.data(1), array(), disposeAll());
  `;
  assertClean("src/train/a.ts", text);
});

Deno.test("checkLayers() accepts tensor code that borrows and returns", () => {
  assertClean(
    "src/train/a.ts",
    `import * as tf from "@tensorflow/tfjs-core";
     import type { Tree } from "./tree.ts";
     export function scaled(tree: Tree, by: number): Tree {
       return tf.tidy(() => mapTree((x) => x.mul(by), tree));
     }`,
  );
});
