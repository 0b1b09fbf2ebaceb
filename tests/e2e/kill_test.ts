import assert from "node:assert/strict";
import { findGpuAdapter } from "../../src/adapters/tfjs_backend.ts";
import { sha256 } from "../../src/codec/digest.ts";
import { type CliResult, type Kill, runCli } from "../support/run_cli.ts";

/** A training that takes a second or two. */
interface Setup {
  readonly backend: "wasm" | "webgpu";
  readonly steps: number;
  readonly saveEvery: number;
  readonly evaluateEvery: number;
  /** Samples a step, each in a micro-batch of its own four: many make a step slow. */
  readonly batch: number;
}

const wasm: Setup = { backend: "wasm", steps: 40, saveEvery: 7, evaluateEvery: 10, batch: 4 };
const webgpu: Setup = { backend: "webgpu", steps: 12, saveEvery: 5, evaluateEvery: 4, batch: 4 };

const hasWebGpu = await findGpuAdapter() !== undefined;
const requiresWebGpu = Deno.env.get("FOLDLOG_REQUIRE_WEBGPU") === "1";

const seed = Number(Deno.env.get("FOLDLOG_TEST_SEED") ?? Date.now() % 2 ** 31);
const random = randomFrom(seed);

for (const [setup, kills] of [[wasm, 6], [wasm, 6], [webgpu, 3]] as const) {
  backendTest(setup, "a run that is killed again and again ends equal to one left alone", async () => {
    const untouched = await runLeftAlone(setup);
    const root = await makeDirectory();
    let before = "";
    for (let times = 0; times < kills; times++) {
      const moment = chooseMoment(root, setup);
      console.log(`seed ${seed}, kill ${times + 1} at ${moment.name}`);
      const { code, signal } = await train(root, setup, [{ signal: "SIGKILL", when: moment.when }]);
      const after = acknowledged(root);
      assert.ok(after.startsWith(before), "an acknowledged line was changed or lost");
      before = after;
      if (signal === null) {
        assert.equal(code, 0);
        break;
      }
      assert.equal(signal, "SIGKILL");
    }
    await completes(root, setup);
    assert.deepEqual(await eventsOf(root), untouched.events);
    await assertEqualResults(root, setup, untouched);
  });
}

Deno.test("a run that is killed while it recomputes loses nothing, and ends equal", async () => {
  const setup = { ...wasm, saveEvery: 0 }; // so that a resume recomputes everything
  const untouched = await runLeftAlone(setup);
  const root = await makeDirectory();
  await train(root, setup, [{ signal: "SIGKILL", when: () => linesIn(root) > 30 }]);
  const before = acknowledged(root);
  for (let times = 0; times < 3; times++) {
    const delay = Math.round(random() * 200);
    const { signal, stdout } = await train(root, setup, [
      { signal: "SIGKILL", when: /resuming "a" at step \d+.*recomputing/ },
    ].map((kill, index) => index === 0 ? { ...kill, signal: "SIGKILL" as const } : kill));
    assert.equal(signal, "SIGKILL", `seed ${seed}, ${delay} ms`);
    assert.doesNotMatch(stdout, /all equal/);
    assert.equal(acknowledged(root), before);
  }
  const { stdout } = await completes(root, setup);
  assert.match(stdout, /recomputed 3\d steps, compared 3\d events: all equal, bit for bit/);
  assert.deepEqual(await eventsOf(root), untouched.events);
  await assertEqualResults(root, setup, untouched);
});
