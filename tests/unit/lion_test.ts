import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { lion } from "../../src/train/lion.ts";
import { leavesOf } from "../../src/train/tree.ts";
import { backendTest } from "../support/backends.ts";
import {
  assertSteps,
  GRADIENTS,
  NAMES,
  oneUpdate,
  PARAMS,
  treeOf,
} from "../support/optimizer_steps.ts";

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "lion() moves by the sign of its interpolation, and decays from two dimensions on",
    async () => {
      const optimizer = lion({ beta1: 0.8, beta2: 0.95, weightDecay: 0.3 });
      await assertSteps(optimizer, ({ gradient, rate, param, rank, memory: [mu = 0] }) => {
        const sign = Math.sign(0.8 * mu + (1 - 0.8) * gradient);
        const update = -rate * (sign + (rank >= 2 ? 0.3 * param : 0));
        return { update, memory: [0.95 * mu + (1 - 0.95) * gradient] };
      });
    },
  );

  backendTest(backend, "lion() has the paper's coefficients, and no decay", async () => {
    await assertSteps(lion(), ({ gradient, rate, memory: [mu = 0] }) => {
      const sign = Math.sign(0.9 * mu + (1 - 0.9) * gradient);
      return { update: -rate * sign, memory: [0.99 * mu + (1 - 0.99) * gradient] };
    });
  });

  backendTest(
    backend,
    "lion() moves as far for tiny and for infinite gradients, and nowhere for none",
    async () => {
      const values = { ...GRADIENTS[0]!, b: [1e-36, -1e-30, 0], c: [1e38, Infinity, -Infinity, 0] };
      const updates = await oneUpdate(lion(), values, 0.5);
      assert.deepEqual(updates.b.map((x) => x + 0), [-0.5, 0.5, 0]);
      assert.deepEqual(updates.c.map((x) => x + 0), [-0.5, -0.5, 0.5, 0]);
    },
  );

  backendTest(backend, "lion() makes NaN of NaN, so that it does not pass unseen", async () => {
    const updates = await oneUpdate(lion(), { ...GRADIENTS[0]!, b: [NaN, 1, NaN] }, 0.5);
    assert.deepEqual(updates.b, [NaN, -0.5, NaN]);
  });
}

backendTest("cpu", "lion() keeps one mean for each parameter", () => {
  const params = treeOf(PARAMS);
  const state = lion().init(params);
  assert.deepEqual(leavesOf(state).map(([path]) => path), NAMES.map((name) => `mu.${name}`));
  tf.dispose([params, state] as tf.TensorContainer);
});

backendTest("cpu", "lion() asks `decays` for each parameter, by its path", async () => {
  const decays = (path: string) => path === "b";
  const updates = await oneUpdate(lion({ weightDecay: 0.5, decays }), GRADIENTS[0]!);
  assert.deepEqual(updates.b, [-1.5, 2, -1.125]);
  assert.deepEqual(updates.c, [1, -1, -1, 1]);
});
