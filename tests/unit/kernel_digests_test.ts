import assert from "node:assert/strict";
import { BACKENDS } from "foldlog";
import * as tf from "foldlog/tf";
import { kernelDigests } from "../../src/adapters/device/kernel_digests.ts";
import { ADAM_UPDATE } from "../../src/train/kernels/adam_update.ts";
import { KERNELS } from "../../src/train/kernels/registry.ts";
import { SUM_ROWS } from "../../src/train/kernels/product.ts";
import { hasKernel } from "../../src/train/self_test/kernel_case.ts";
import { shortCases } from "../../src/train/self_test/short_cases.ts";
import { stockCases } from "../../src/train/self_test/stock_cases.ts";
import { backendTest } from "../support/backends.ts";
import { withPlanted } from "../support/planted_kernels.ts";

Deno.test("every kernel of the self-test has short cases", () => {
  const short = new Set(shortCases().map(({ kernel }) => kernel));
  const own: readonly string[] = Object.values(KERNELS).map(({ name }) => name);
  const all = [...own, ...stockCases().map(({ kernel }) => kernel)];
  assert.deepEqual([...short].toSorted(), [...new Set(all)].toSorted());
});

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "the environment has a digest of each kernel, equal at a second look",
    async (device) => {
      const { kernels } = device.environment;
      const names = [...new Set(shortCases().map(({ kernel }) => kernel))].filter(hasKernel);
      assert.deepEqual(Object.keys(kernels!).toSorted(), names.toSorted());
      for (const digest of Object.values(kernels!)) assert.match(digest, /^[0-9a-f]{16}$/);
      assert.equal(new Set(Object.values(kernels!)).size, names.length);
      assert.deepEqual(await kernelDigests(device.read), kernels);
    },
  );

  backendTest(
    backend,
    "a kernel that computes other bits has another digest, and one that throws or is gone has none",
    async (device) => {
      const { [SUM_ROWS.name]: before, Square: _, Tile: __, ...others } = device.environment
        .kernels!;
      const changed = await withPlanted(backend, {
        [SUM_ROWS.name]: ({ inputs }) => inputs["0"]!,
        Square: undefined,
        Tile: () => {
          throw new Error("planted");
        },
      }, () => kernelDigests(device.read));
      const { [SUM_ROWS.name]: after, ...rest } = changed;
      assert.match(after!, /^[0-9a-f]{16}$/);
      assert.notEqual(after, before);
      assert.deepEqual(rest, others);
    },
  );

  backendTest(
    backend,
    "a kernel has another digest where any one of its results has other bits",
    async (device) => {
      const { [ADAM_UPDATE.name]: before, ...others } = device.environment.kernels!;
      const { kernelFunc } = tf.getKernel(ADAM_UPDATE.name, backend)!;
      const found = new Set([before]);
      for (const changed of [0, 1, 2]) { // of the update and the two moments
        const { [ADAM_UPDATE.name]: after, ...rest } = await withPlanted(backend, {
          [ADAM_UPDATE.name]: (given) => {
            const results = kernelFunc(given) as tf.TensorInfo[];
            tf.backend().disposeData(results[changed]!.dataId);
            return results.with(changed, given.inputs["0"]!);
          },
        }, () => kernelDigests(device.read));
        assert.match(after!, /^[0-9a-f]{16}$/);
        found.add(after);
        assert.deepEqual(rest, others);
      }
      assert.equal(found.size, 4);
    },
  );
}
