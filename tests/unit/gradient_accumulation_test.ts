import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { accumulate } from "../../src/train/gradient_accumulation.ts";
import { release, scoped } from "../../src/train/ownership.ts";
import type { Tree } from "../../src/train/tree.ts";
import { backendTest } from "../support/backends.ts";

backendTest("cpu", "grains are added as the tree that their count says", async (device) => {
  for (let count = 1; count <= 17; count++) {
    // So far apart in size that any other order of float32 additions has another sum.
    const values = Array.from(
      { length: count },
      (_, i) => Math.fround((-1) ** i * 1.37 ** (i * 9 % 17)),
    );
    const mean = scoped(() => accumulate(values.map((value) => () => grainOf(value))));
    const expected = count === 1 ? values[0]! : Math.fround(treeSum(values) / count);
    assert.deepEqual([...(await device.read(mean.loss)).data], [expected], `${count} grains`);
    assert.deepEqual([...(await device.read(mean.gradients.w)).data], [expected]);
    release(mean as unknown as Tree);
  }
});

backendTest("cpu", "a part of the tree computed elsewhere gives the same bits", async (device) => {
  const values = Array.from({ length: 8 }, (_, i) => Math.fround(Math.sin(i * 77) * 10 ** (i % 4)));
  const whole = scoped(() => accumulate(values.map((value) => () => grainOf(value))).loss);
  const halves = [values.slice(0, 4), values.slice(4)].map(treeSum);
  const joined = Math.fround(Math.fround(halves[0]! + halves[1]!) / 8);
  assert.deepEqual([...(await device.read(whole)).data], [joined]);
  whole.dispose();
});

backendTest("cpu", "no more gradients are held than the tree is deep", () => {
  const before = tf.memory().numTensors;
  let most = 0;
  const grains = Array.from({ length: 64 }, () => () => {
    most = Math.max(most, tf.memory().numTensors - before);
    return grainOf(1);
  });
  release(scoped(() => accumulate(grains)) as unknown as Tree);
  assert.ok(most <= 2 * 7, `${most} tensors`);
});

Deno.test("no grain is refused", () => {
  assert.throws(() => accumulate([]), /Expected at least one grain, found none/);
});

function grainOf(value: number) {
  return { loss: tf.scalar(value), gradients: { w: tf.scalar(value) } };
}

/** The sum in float32, the first half (a power of two) and the rest each on their own. */
function treeSum(values: readonly number[]): number {
  if (values.length === 1) return values[0]!;
  let middle = 1;
  while (middle * 2 < values.length) middle *= 2;
  return Math.fround(treeSum(values.slice(0, middle)) + treeSum(values.slice(middle)));
}
