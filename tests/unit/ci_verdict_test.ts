import assert from "node:assert/strict";
import { repository } from "../support/run_cli.ts";

const SIGABRT = 128 + 6;
const SIGSEGV = 128 + 11;
const SIGKILL = 128 + 9;

const TESTS = "running 2 tests from ./a_test.ts\na ... ok (1ms)\nb ... ok (1ms)\n";
const PASSED = `${TESTS}\nok | 2 passed (4 steps) | 0 failed | 1 ignored (1s)\n`;
const FAILED = `${TESTS}\nFAILED | 1 passed | 1 failed (1s)\n\nerror: Test failed\n`;
const HEAP = "\ncorrupted size vs. prev_size in fastbins\n";

Deno.test("CI passes where the tests do", async () => {
  assert.deepEqual(await verdictOf(0, PASSED), { passes: true, says: "2 passed, 0 failed\n" });
});

Deno.test("CI passes, and says so, where the driver aborts the process after its tests passed", async () => {
  for (const status of [SIGABRT, SIGSEGV]) {
    const { passes, says } = await verdictOf(status, PASSED + HEAP);
    assert.ok(passes);
    assert.match(says, new RegExp(`signal ${status - 128} ended .* at its exit: corrupted size`));
  }
});

Deno.test("CI fails where a test fails, however the process ends", async () => {
  for (const status of [1, SIGABRT, SIGSEGV]) {
    assert.deepEqual(await verdictOf(status, FAILED + HEAP), {
      passes: false,
      says: "1 passed, 1 failed\n",
    });
  }
});

Deno.test("CI fails where the process ends before its tests are done", async () => {
  for (
    const log of ["", TESTS, TESTS + HEAP, `${PASSED}${TESTS}${HEAP}`, `${PASSED}c ... ${HEAP}`]
  ) {
    assert.equal((await verdictOf(SIGABRT, log)).passes, false, log);
  }
});

Deno.test("CI fails at any other exit status, and where no test ran", async () => {
  for (const status of [1, 2, SIGKILL]) {
    assert.equal((await verdictOf(status, PASSED)).passes, false, String(status));
  }
  const none = "\nok | 0 passed | 0 failed (1ms)\n";
  for (const status of [0, SIGABRT]) assert.equal((await verdictOf(status, none)).passes, false);
});

/** What `.ci/verdict` finds and prints about an exit status and a log. */
async function verdictOf(status: number, log: string) {
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, log);
  const { success, stdout, stderr } = await new Deno.Command("bash", {
    args: [`${repository}/.ci/verdict`, String(status), file],
  }).output();
  await Deno.remove(file);
  assert.equal(new TextDecoder().decode(stderr), "");
  return { passes: success, says: new TextDecoder().decode(stdout) };
}
