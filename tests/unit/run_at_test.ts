import assert from "node:assert/strict";
import { runAtOf } from "../../src/cli/run_at.ts";
import { UsageError } from "../../src/cli/usage_error.ts";

Deno.test("RUN@STEP is a run and a step of it, and RUN a run", () => {
  assert.deepEqual(runAtOf("moby-gpt"), { run: "moby-gpt" });
  assert.deepEqual(runAtOf("moby-gpt@1200"), { run: "moby-gpt", step: 1200 });
  assert.deepEqual(runAtOf("a@0"), { run: "a", step: 0 });
});

Deno.test("what is no run or no step is refused, and quoted", () => {
  for (const step of ["", "x", "-1", "1.5", "1e3", " 1", "1@2", "9".repeat(20)]) {
    assert.throws(() => runAtOf(`a@${step}`), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /^Expected a step after "a@", such as a@1200, found "/);
      assert.ok(error.message.endsWith(`"${step}".`), error.message);
      return true;
    });
  }
  for (const run of ["", "a/b", ".hidden"]) {
    assert.throws(() => runAtOf(`${run}@1`), /cannot name a run/);
  }
});
