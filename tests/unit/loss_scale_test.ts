import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import type { Device } from "../../src/ports/device.ts";
import {
  initLossScale,
  type LossScale,
  nextLossScale,
  unlessSkipped,
  unscaled,
} from "../../src/train/loss_scale.ts";
import { release, scoped } from "../../src/train/ownership.ts";
import { backendTest, leaksNothing } from "../support/backends.ts";

const OVERFLOWS = [Infinity, -Infinity, NaN];

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "the loss scale is doubled after steps in a row that are finite, and halved where one is not",
    async (device) => {
      const options = { initial: 1024, growthInterval: 3 };
      const norms = [1, 0, 2e38, 1, 1, NaN, 1, 1, Infinity, 1, 1, 1, 1];
      const expected = [
        [1024, 1],
        [1024, 2],
        [2048, 0],
        [2048, 1],
        [2048, 2],
        [1024, 0],
        [1024, 1],
        [1024, 2],
        [512, 0],
        [512, 1],
        [512, 2],
        [1024, 0],
        [1024, 1],
      ];
      await leaksNothing(async () => {
        assert.deepEqual(await scalesAfter(device, norms, options), expected);
      });
    },
  );

  backendTest(backend, "the loss scale stays within its bounds", async (device) => {
    const up = { initial: 2 ** 23, growthInterval: 1 };
    assert.deepEqual(
      (await scalesAfter(device, [1, 1, 1], up)).map(([scale]) => scale),
      [2 ** 24, 2 ** 24, 2 ** 24],
    );
    const down = { initial: 2, growthInterval: 1 };
    assert.deepEqual(
      (await scalesAfter(device, OVERFLOWS, down)).map(([scale]) => scale),
      [1, 1, 1],
    );
  });

  backendTest(backend, "unscaled() takes the scale off, without a rounding", async (device) => {
    const state = initLossScale({ initial: 65536 });
    const values = [1 / 3, -2e-30, 3e33, 0, 5];
    const scaled = { w: tf.tensor1d(values.map((value) => Math.fround(value) * 65536)) };
    const plain = scoped(() => unscaled(scaled, state));
    assert.deepEqual([...(await device.read(plain.w)).data], values.map(Math.fround));
    release([state, scaled, plain]);
  });

  backendTest(
    backend,
    "unlessSkipped() gives the next tree, or the one before where the norm is not finite",
    async (device) => {
      const shared = tf.scalar(7);
      const next = { w: tf.tensor1d([NaN, 2, -0]), shared };
      const before = { w: tf.tensor1d([4, Infinity, 6]), shared };
      for (const norm of [0, 3e38, ...OVERFLOWS]) {
        const measured = tf.scalar(norm);
        const kept = scoped(() => unlessSkipped(measured, next, before));
        assert.deepEqual(
          [...(await device.read(kept.w)).data],
          Number.isFinite(norm) ? [NaN, 2, -0] : [4, Infinity, 6],
        );
        assert.equal(kept.shared, shared, "what both share was made anew");
        release([measured, kept.w]);
      }
      release([next.w, before.w, shared]);
    },
  );
}

/** The scale and the count after each of the norms. */
async function scalesAfter(
  device: Device,
  norms: readonly number[],
  options: { readonly initial: number; readonly growthInterval: number },
): Promise<readonly (readonly number[])[]> {
  let state: LossScale = initLossScale(options);
  const seen: number[][] = [];
  for (const value of norms) {
    const norm = tf.scalar(value);
    const next = nextLossScale(state, norm, options);
    release([state, norm]);
    state = next;
    const read = await Promise.all([device.read(state.scale), device.read(state.finiteSteps)]);
    seen.push(read.map(({ data }) => data[0]!));
  }
  release(state);
  return seen;
}
