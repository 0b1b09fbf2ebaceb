import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { fingerprintState } from "../../src/app/training/fingerprint_state.ts";
import { differingTensors } from "../../src/codec/state_fingerprint.ts";
import { adamw } from "../../src/train/adamw.ts";
import type { LeafPattern } from "../../src/train/leaf_pattern.ts";
import { release } from "../../src/train/ownership.ts";
import { sgd } from "../../src/train/sgd.ts";
import {
  initialTrainState,
  tensorsOf,
  type TrainState,
  withTensors,
} from "../../src/train/train_state.ts";
import { leavesOf, mapTree, type Tree } from "../../src/train/tree.ts";
import { backendTest } from "../support/backends.ts";

backendTest("cpu", "tensorsOf() has each tensor once: trained, averaged, frozen", () => {
  const state = stateOf("lora.*", true);
  assert.deepEqual(pathsOf(tensorsOf(state)), [
    ...["base.base.0.w", "base.base.1.w"],
    ...["ema.lora.a", "ema.lora.b"],
    ...["model.lora.a", "model.lora.b"],
    ...["optimizer.mu.lora.a", "optimizer.mu.lora.b"],
    ...["optimizer.nu.lora.a", "optimizer.nu.lora.b"],
  ]);
  release(tensorsOf(state));
});

backendTest("cpu", "tensorsOf() has no group of frozen tensors where all are trained", () => {
  for (const trainable of [undefined, "*", ["base.*", /^lora/]]) {
    const state = stateOf(trainable);
    assert.deepEqual(Object.keys(tensorsOf(state)).sort(), ["model", "optimizer"]);
    assert.equal(state.frozen, undefined);
    release(tensorsOf(state));
  }
});

backendTest("cpu", "a state is whole in its parameters and in their average", () => {
  const state = stateOf(["lora.a", /1\.w$/], true);
  const all = ["base.0.w", "base.1.w", "lora.a", "lora.b"];
  assert.deepEqual(pathsOf(state.params), all);
  assert.deepEqual(pathsOf(state.ema!), all);
  assert.deepEqual([...state.frozen!], ["base.0.w", "lora.b"]);
  release(tensorsOf(state));
});

backendTest("cpu", "withTensors() puts together what tensorsOf() takes apart", () => {
  for (const trainable of [undefined, "lora.*", "base.1.w"]) {
    for (const averaged of [false, true]) {
      const state = stateOf(trainable, averaged);
      const trees = mapTree((leaf) => tf.add(leaf, 1), tensorsOf(state));
      const other = withTensors({ ...state, step: 7 }, trees);
      assert.deepEqual(leavesOf(tensorsOf(other)), leavesOf(trees));
      assert.deepEqual(pathsOf(other.params), pathsOf(state.params));
      assert.equal(other.step, 7);
      assert.deepEqual(other.frozen, state.frozen);
      if (other.ema !== undefined) {
        const [kept, averages] = [leavesOf(other.params), leavesOf(other.ema)];
        kept.forEach(([path, leaf], index) =>
          assert.equal(leaf === averages[index]![1], state.frozen?.has(path) ?? false, path)
        );
      }
      release([tensorsOf(state), trees]);
    }
  }
});

backendTest("cpu", "what is trainable must be there, and something must be", () => {
  const among = "among base.0.w, base.1.w, lora.a, lora.b";
  const cases: readonly (readonly [LeafPattern | readonly LeafPattern[], string])[] = [
    [
      "lra.*",
      `Expected every pattern of trainable to match a parameter, found none for lra.* ${among}`,
    ],
    [
      ["lora.*", /bias$/],
      `Expected every pattern of trainable to match a parameter, found none for /bias$/ ${among}`,
    ],
    [[], "Expected at least one pattern of trainable, found none"],
  ];
  for (const [trainable, message] of cases) {
    assert.throws(() => stateOf(trainable), { name: "TypeError", message });
  }
});

backendTest("cpu", "a fingerprint tells of a frozen tensor that changed", async (device) => {
  const state = stateOf("lora.*");
  const { base, lora } = state.params as { readonly base: Tree; readonly lora: Tree };
  const changed = mapTree((leaf) => tf.add(leaf, 1e-7), base);
  const [before, after] = [
    await fingerprintState(device, state),
    await fingerprintState(device, { ...state, params: { base: changed, lora } }),
  ];
  const differing = differingTensors(before.tensors, before.fingerprint, after.fingerprint);
  assert.deepEqual(differing, ["base/base.0.w", "base/base.1.w"]);
  release([tensorsOf(state), changed]);
});

function stateOf(
  trainable?: LeafPattern | readonly LeafPattern[],
  averaged = false,
): TrainState {
  const init = () => ({
    base: [{ w: tf.ones([2]) }, { w: tf.ones([3]) }],
    lora: { a: tf.ones([4]), b: tf.ones([5]) },
  });
  const optimizer = averaged ? adamw() : sgd();
  return initialTrainState<Tree>(init, optimizer, {
    averaged,
    ...(trainable !== undefined && { trainable }),
  });
}

function pathsOf(tree: Tree): readonly string[] {
  return leavesOf(tree).map(([path]) => path);
}
