import assert from "node:assert/strict";
import { accuracy, release, scoped } from "foldlog";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { backendTest } from "../support/backends.ts";

/** A model whose logits are its inputs. */
const right = accuracy<null>((_, inputs) => inputs);

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "accuracy() is the share of largest logits that are the target's",
    async (device) => {
      const share = scoped(() =>
        right(null, {
          inputs: tf.tensor2d([[0, 2, 1], [5, -1, 4], [-3, -2, -1], [1, 1, 1]]),
          targets: tf.tensor1d([1, 2, 2, 0], "int32"), // the first of equal ones counts
        })
      );
      assert.deepEqual([...(await device.read(share)).data], [0.75]);
      const half = scoped(() =>
        right(null, {
          inputs: tf.tensor4d([[[[1, 0], [0, 1]]]]),
          targets: tf.tensor3d([[[0, 0]]], undefined, "int32"),
        })
      );
      assert.deepEqual([...(await device.read(half)).data], [0.5]);
      release([share, half]);
    },
  );
}
