import assert from "node:assert/strict";
import { redrawn } from "../../src/cli/terminal.ts";

const size = { columns: 10, rows: 5 };

Deno.test("redrawn() writes the first lines where the terminal is", () => {
  assert.equal(redrawn([], ["a", "b"], size), "a\nb\n");
});

Deno.test("redrawn() goes back over the lines before, those that were broken in two included, and clears them", () => {
  assert.equal(redrawn(["a", "b"], ["c"], size), "\x1b[2A\x1b[Jc\n");
  assert.equal(redrawn(["0123456789", "", "0123456789+"], ["c"], size), "\x1b[4A\x1b[Jc\n");
});

Deno.test("redrawn() begins on an empty terminal where the lines before are higher than it", () => {
  assert.equal(redrawn(["1", "2", "3", "4", "5"], ["c"], size), "\x1b[2J\x1b[Hc\n");
});
