import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { BACKENDS, comparedWith, isExact, selfTest, type SelfTestReport } from "foldlog";
import * as tf from "foldlog/tf";
import { selfTestsOfFreshProcesses } from "../../src/cli/fresh_processes.ts";
import { sha256 } from "../../src/codec/mod.ts";
import { SUM_ROWS } from "../../src/train/kernels/product.ts";
import { KERNELS } from "../../src/train/kernels/registry.ts";
import { backendTest } from "../support/backends.ts";
import { withPlanted } from "../support/planted_kernels.ts";

/** What tfjs's backends do not have. */
const MISSING = { webgpu: [], wasm: ["Conv2DBackpropFilter"], cpu: [] };

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "selfTest() finds every kernel exact, and fresh processes that compete have the same bits",
    async (device) => {
      const [report, fresh] = await Promise.all([
        selfTest(device, { rounds: 2 }),
        selfTestsOfFreshProcesses(backend, 2),
      ]);
      assert.ok(isExact(report), JSON.stringify(inexact(report)));
      assert.deepEqual(named(report, "missing"), MISSING[backend]);
      const tested = report.kernels.map(({ kernel }) => kernel);
      assert.deepEqual(Object.values(KERNELS).filter(({ name }) => !tested.includes(name)), []);
      assert.ok(E.isRight(fresh), JSON.stringify(fresh));
      assert.equal(fresh.right.length, 2);
      for (const { digest } of fresh.right) assert.equal(digest, report.digest);
      assert.deepEqual(comparedWith(report, fresh.right), report);
    },
  );

  backendTest(
    backend,
    "selfTest() names a kernel that adds in random order, one that is missing and one that throws",
    async (device) => {
      const report = await withPlanted(backend, {
        [SUM_ROWS.name]: addInRandomOrder,
        Square: undefined,
        Tile: () => {
          throw new Error("planted");
        },
      }, () => selfTest(device, { rounds: 2 }));
      assert.equal(isExact(report), false);
      assert.deepEqual(named(report, "not exact"), [SUM_ROWS.name]);
      assert.deepEqual(named(report, "missing").toSorted(), [...MISSING[backend], "Square"]);
      assert.deepEqual(named(report, "failed"), ["Tile"]);
      const details = inexact(report).map(({ detail }) => detail).join("\n");
      assert.match(details, /\d of 3 sizes differ, the first \[/);
      assert.match(details, /\[7,9\] \{"reps":\[5,4\]\}: planted/);
    },
  );
}

Deno.test("comparedWith() names the kernel that has other bits in another process", () => {
  const mine = reportOf({ Add: "a", Sum: "s" });
  const theirs = reportOf({ Add: "a", Sum: "other" });
  assert.deepEqual(comparedWith(mine, [mine, mine]), mine);
  const compared = comparedWith(mine, [mine, theirs]);
  assert.deepEqual(named(compared, "not exact"), ["Sum"]);
  assert.equal(inexact(compared)[0]!.detail, "other bits in 1 of 2 fresh processes");
});

/** The sums of columns, in float32 on each backend, in an order that is drawn anew each time. */
function addInRandomOrder({ inputs }: { inputs: tf.NamedTensorInfoMap }): tf.Tensor {
  const rows = tf.unstack(inputs["0"] as tf.Tensor2D);
  const shuffled = rows.map((row) => [Math.random(), row] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, row]) => row);
  return shuffled.reduce((sum, row) => tf.add(sum, row));
}

function named({ kernels }: SelfTestReport, verdict: string): readonly string[] {
  return kernels.filter((found) => found.verdict === verdict).map(({ kernel }) => kernel);
}

function inexact({ kernels }: SelfTestReport): SelfTestReport["kernels"] {
  return kernels.filter(({ verdict }) => verdict !== "exact");
}

function reportOf(bits: Readonly<Record<string, string>>): SelfTestReport {
  const kernels = Object.entries(bits).map(([kernel, text]) => (
    { kernel, verdict: "exact", digest: sha256(text), detail: "" } as const
  ));
  return { backend: "cpu", digest: sha256(...Object.values(bits)), kernels };
}
