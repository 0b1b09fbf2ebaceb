import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { emaOf } from "../../src/train/ema.ts";
import { scoped } from "../../src/train/ownership.ts";
import { backendTest } from "../support/backends.ts";
import {
  assertClose,
  float32,
  GRADIENTS,
  NAMES,
  PARAMS,
  treeOf,
  valuesOf,
} from "../support/optimizer_steps.ts";

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "emaOf() keeps its share of the average and takes the rest from the parameters",
    async () => {
      let ema = treeOf(PARAMS);
      let expected = PARAMS;
      for (const values of GRADIENTS) {
        const params = treeOf(values);
        const next = scoped(() => emaOf(0.9)(ema, params));
        for (const name of NAMES) {
          const after = expected[name].map((mean, i) => 0.9 * mean + (1 - 0.9) * values[name][i]!);
          expected = { ...expected, [name]: after };
        }
        const found = await valuesOf(next);
        for (const name of NAMES) {
          found[name].forEach((value, i) => assertClose(value, expected[name][i]!, name));
        }
        tf.dispose([ema, params]);
        ema = next;
      }
      tf.dispose(ema);
    },
  );

  backendTest(
    backend,
    "emaOf() of parameters that never change stays what it began with, bit for bit",
    async () => {
      const params = treeOf(PARAMS);
      const ema = scoped(() => {
        let ema = params; // as a training begins: nothing to correct
        for (let step = 0; step < 5; step++) ema = emaOf(0.999)(ema, params);
        return ema;
      });
      assert.deepEqual(await valuesOf(ema), float32(PARAMS));
      tf.dispose([params, ema]);
    },
  );
}

backendTest("cpu", "emaOf() is pure: equal bits twice, and its arguments stay", async () => {
  const [ema, params] = [treeOf(PARAMS), treeOf(GRADIENTS[0]!)];
  const averaged = emaOf(0.99);
  const [first, second] = [1, 2].map(() => scoped(() => averaged(ema, params)));
  assert.deepEqual(await valuesOf(first!), await valuesOf(second!));
  assert.deepEqual(await valuesOf(ema), float32(PARAMS));
  assert.deepEqual(await valuesOf(params), float32(GRADIENTS[0]!));
  tf.dispose([ema, params, first!, second!]);
});

Deno.test("emaOf() refuses a decay that is no share below 1", () => {
  for (const decay of [-0.1, 1, 1.5, NaN, Infinity]) {
    assert.throws(() => emaOf(decay), {
      name: "RangeError",
      message: `Expected a decay from 0 up to, not including, 1, found ${decay}`,
    });
  }
});
