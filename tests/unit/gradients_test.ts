import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { gradientsOf } from "../../src/train/gradients.ts";
import { gelu } from "../../src/train/kernels/gelu.ts";
import { dense } from "../../src/train/kernels/product.ts";
import { withGradient } from "../../src/train/kernels/with_gradient.ts";
import { release, scoped } from "../../src/train/ownership.ts";
import { backendTest } from "../support/backends.ts";

for (const backend of BACKENDS) {
  backendTest(backend, "gradientsOf() has the gradients of dy times the value", async (device) => {
    const [x, other, dy] = [tf.tensor1d([1, -2, 3]), tf.scalar(1), tf.scalar(8)];
    const { value, gradients } = scoped(() =>
      gradientsOf(() => tf.sum(tf.square(x)), [x, other], dy)
    );
    assert.deepEqual([...(await device.read(value)).data], [14]);
    assert.deepEqual([...(await device.read(gradients[0]!)).data], [16, -32, 48]);
    assert.equal(gradients[1], undefined);
    release([x, other, dy, value, gradients[0]!]);
  });

  backendTest(
    backend,
    "gradientsOf() frees what was kept for gradients where the function or a gradient throws",
    () => {
      const x = tf.ones<tf.Rank.R2>([3, 4]);
      const weight = tf.ones<tf.Rank.R2>([4, 4]);
      const bias = tf.zeros<tf.Rank.R1>([4]);
      const hidden = () => gelu(dense(gelu(dense(x, weight, bias)), weight, bias));
      const late = () => {
        tf.sum(hidden());
        throw new Error("planted");
      };
      const backward = () => {
        const broken = withGradient([hidden()], ([given]) => {
          return { value: given!.clone(), saved: [] };
        }, () => {
          throw new Error("planted");
        });
        return tf.sum(broken);
      };
      const before = tf.memory().numTensors;
      for (const f of [late, backward, late]) {
        assert.throws(() => scoped(() => gradientsOf(f, [weight])), /planted/);
        assert.equal(tf.memory().numTensors, before);
      }
      const { value, gradients } = scoped(() => gradientsOf(() => tf.sum(hidden()), [weight]));
      release([x, weight, bias, value, gradients[0]!]);
    },
  );
}
