import assert from "node:assert/strict";
import { verbs } from "../../src/cli/grammar/verbs.ts";

const text = await Deno.readTextFile(new URL("../../docs/requirements.md", import.meta.url));
const [done = "", open = ""] = text.split(/^## Not done yet$/m);
const rows = [...done.matchAll(/^\| ([A-Z]\d+) +\|(.*)\|(.*)\|$/gm)].map((
  [, id, does, commands],
) => ({
  id: id!,
  does: does!.trim(),
  commands: [...commands!.matchAll(/`([^`]+)`/g)].map(([, command]) => command!),
}));

/** All rows that were asked for. */
const ASKED = Object.entries({ A: 6, B: 7, C: 9, D: 8, E: 8 }).flatMap(([system, count]) =>
  Array.from({ length: count }, (_, index) => `${system}${index + 1}`)
);
const LEFT_OUT = ["B5", "E6"];

Deno.test("each row of docs/requirements.md has exactly one test of its name", async () => {
  const tested: string[] = [];
  for (const { name } of Deno.readDirSync(import.meta.dirname!)) {
    if (!name.endsWith("_test.ts")) continue;
    const code = await Deno.readTextFile(new URL(name, import.meta.url));
    tested.push(...[...code.matchAll(/^requirement\(\s*"([^"]+)"/gm)].map(([, row]) => row!));
  }
  assert.deepEqual(tested.sort(), rows.map(({ id }) => id).sort());
});

Deno.test("docs/requirements.md has every row that was asked for, done or not yet", () => {
  assert.deepEqual(rows.map(({ id }) => id), ASKED.filter((row) => !LEFT_OUT.includes(row)));
  for (const row of LEFT_OUT) assert.match(open, new RegExp(`^- ${row}: `, "m"));
  assert.match(open, /^- C6 and E7, the trackers: /m);
});

Deno.test("each row of docs/requirements.md says what is done, by which command", () => {
  for (const { id, does, commands } of rows) {
    assert.match(does, /^[A-Z].{20,}\.$/, id);
    assert.ok(commands.length > 0, `${id} names no command`);
    for (const command of commands) {
      assert.ok(Object.hasOwn(verbs, command.split(" ")[0]!), `${id}: ${command}`);
    }
  }
});
