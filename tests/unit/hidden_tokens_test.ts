import assert from "node:assert/strict";
import { hiddenTokens, key, release, scoped } from "foldlog";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { backendTest } from "../support/backends.ts";

const TOKENS = Int32Array.from({ length: 4000 }, (_, index) => 1 + index % 27);

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "hiddenTokens() hides as many as its rate says, by the key alone",
    async (device) => {
      const hide = async (rate: number, seed: number) => {
        const hidden = scoped(() =>
          hiddenTokens(tf.tensor2d(TOKENS, [40, 100], "int32"), rate, key(seed))
        );
        const { shape, dtype, data } = await device.read(hidden);
        release(hidden);
        assert.deepEqual([shape, dtype], [[40, 100], "int32"]);
        return data;
      };
      const hidden = await hide(0.25, 1);
      assert.ok(hidden.every((token, index) => token === 0 || token === TOKENS[index]));
      const share = hidden.filter((token) => token === 0).length / TOKENS.length;
      assert.ok(Math.abs(share - 0.25) < 0.03, `${share}`);
      assert.deepEqual(await hide(0.25, 1), hidden);
      assert.notDeepEqual(await hide(0.25, 2), hidden);
      assert.deepEqual(await hide(0, 1), TOKENS);
    },
  );
}
