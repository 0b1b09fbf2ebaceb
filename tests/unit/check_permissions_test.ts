import assert from "node:assert/strict";
import { checkPermissions } from "../../tools/check_permissions.ts";

/** Checks a `deno.json` in a tree that has a `mod.ts`, and gives the messages. */
function messagesFor(config: unknown): readonly string[] {
  return findingsFor(config).map(({ message }) => message);
}

function findingsFor(config: unknown) {
  return checkPermissions([
    { path: "deno.json", text: JSON.stringify(config, undefined, 2) },
    { path: "mod.ts", text: "" },
  ]);
}

Deno.test("checkPermissions() refuses a task that has every permission", () => {
  const commands = [
    "deno run -A tools/x.ts",
    "deno run --allow-all tools/x.ts",
    "deno test -qA",
    "deno test && deno bench -A",
  ];
  for (const command of commands) {
    assert.match(messagesFor({ tasks: { x: command } })[0] ?? "", /^task "x" has -.*expected/);
    assert.equal(messagesFor({ tasks: { x: { description: "-", command } } }).length, 1, command);
  }
});

Deno.test("checkPermissions() accepts tasks that name their permissions", () => {
  const tasks = {
    lint: "deno lint && deno run --allow-read tools/check_layers.ts",
    test: "deno test -R --allow-env=A,HOME --doc",
    all: { description: "never with -A", dependencies: ["lint", "test"] },
  };
  assert.deepEqual(messagesFor({ tasks }), []);
});

Deno.test("checkPermissions() refuses a permission set that grants all", () => {
  const messages = messagesFor({ permissions: { wide: { all: true }, narrow: { read: ["."] } } });
  assert.equal(messages.length, 1);
  assert.match(messages[0] ?? "", /"wide" grants all, expected/);
});

Deno.test("checkPermissions() refuses a package without one exact version", () => {
  const targets = [
    "npm:a@^1.2.3",
    "npm:a@~1.2.3",
    "npm:a@1.2",
    "npm:a@1.x",
    "npm:a@1.2.3 - 2",
    "npm:a@>=1.2.3",
    "npm:a@latest",
    "npm:a",
    "npm:@s/a",
    "npm:@s/a@1",
    "npm:/a@^1.2.3/lib/",
    "jsr:@std/a@^1.2.3",
  ];
  for (const target of targets) {
    assert.match(messagesFor({ imports: { a: target } })[0] ?? "", /^"a" is .*expected/, target);
  }
});

Deno.test("checkPermissions() accepts exact versions and files", () => {
  const targets = [
    "npm:a@1.2.3",
    "npm:@s/a@1.2.3",
    "npm:a@1.2.3-rc.1",
    "npm:a@1.2.3/lib/x.js",
    "npm:/@s/a@1.2.3/",
    "jsr:@std/a@1.2.3",
    "./mod.ts",
  ];
  for (const target of targets) assert.deepEqual(messagesFor({ imports: { a: target } }), []);
});

Deno.test("checkPermissions() refuses an export of a file that does not exist", () => {
  assert.match(messagesFor({ exports: { "./core": "./src/core/mod.ts" } })[0] ?? "", /"\.\/core"/);
  assert.match(messagesFor({ exports: "./main.ts" })[0] ?? "", /export "\." is ".\/main\.ts"/);
});

Deno.test("checkPermissions() accepts exports of files that exist", () => {
  assert.deepEqual(messagesFor({ exports: { ".": "./mod.ts" } }), []);
  assert.deepEqual(messagesFor({ exports: "./mod.ts" }), []);
});

Deno.test("checkPermissions() names the line of the entry, in its own section", () => {
  const [found] = findingsFor({ imports: { a: "npm:b@1.0.0" }, tasks: { a: "deno run -A x.ts" } });
  assert.deepEqual([found?.file, found?.line], ["deno.json", 6]);
});

Deno.test("checkPermissions() says so when deno.json is not JSON", () => {
  const files = [{ path: "deno.json", text: "{ // a comment\n}" }];
  assert.throws(() => checkPermissions(files), /Cannot read deno\.json: expected JSON/);
});
