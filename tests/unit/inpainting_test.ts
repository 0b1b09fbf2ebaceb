import assert from "node:assert/strict";
import { inpainted, inpaintingLoss, inpaintingMeasures } from "foldlog";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { scoped } from "../../src/train/ownership.ts";
import { backendTest } from "../support/backends.ts";

/** Two images of 1 x 3: of the first two pixels are hidden, of the second one. */
const MASKS = [1, 1, 0, 0, 0, 1];
const SHADES = [-1, 1, 0.5, -1, 0, 1];
const TARGETS = [0, 0.25, 1, 0, 1, 0.5];
const OUTPUTS = [0.5, 0.25, 9, -9, 9, 0.25];

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "the loss is the mean over the hidden pixels of the batch",
    async (device) => {
      const [loss, { maskedError, psnr }] = scoped(() => {
        const { params, batch } = made();
        return [inpaintingLoss(predict)(params, batch), inpaintingMeasures(predict)(params, batch)];
      });
      const [squares, absolute] = [(0.5 ** 2 + 0 + 0.25 ** 2) / 3, (0.5 + 0 + 0.25) / 3];
      const expected = [squares, absolute, -10 * Math.log10(squares)];
      for (const [place, value] of [loss, maskedError, psnr].entries()) {
        const { data: [found] } = await device.read(value);
        assert.ok(Math.abs(found! / expected[place]! - 1) < 1e-6, `${found} ${expected[place]}`);
        value.dispose();
      }
    },
  );
}

backendTest(
  "cpu",
  "what is shown is the image where it can be seen, and what is made elsewhere",
  async (device) => {
    const image = scoped(() => {
      const { params: { outputs }, batch } = made();
      return inpainted(outputs, batch.inputs);
    });
    const { data, shape } = await device.read(image);
    image.dispose();
    assert.deepEqual([...data], [0.5, 0.25, 0.75, 0, 0.5, 0.25]);
    assert.deepEqual(shape, [2, 1, 3, 1]);
  },
);

backendTest("cpu", "other shapes are refused, not broadcast", () => {
  scoped(() => {
    const { params, batch } = made();
    const loss = inpaintingLoss(predict);
    const narrow = { ...batch, targets: tf.zeros([2, 1, 1, 1]) };
    assert.throws(() => loss(params, narrow), /targets of shape \[2,1,3,1\], found \[2,1,1,1\]/);
    const wide = { outputs: tf.zeros([2, 1, 3, 2]) };
    assert.throws(() => loss(wide, batch), /outputs of shape \[2,1,3,1\], found \[2,1,3,2\]/);
    const maskless = { ...batch, inputs: tf.zeros([2, 1, 3, 1]) };
    assert.throws(() => loss(params, maskless), /Expected inputs \[n, height, width, 2\]/);
    return [];
  });
});

interface Made {
  readonly outputs: tf.Tensor;
}

function predict({ outputs }: Made): tf.Tensor {
  return outputs;
}

function made() {
  const inputs = tf.tensor(MASKS.flatMap((mask, at) => [SHADES[at]!, mask]), [2, 1, 3, 2]);
  const targets = tf.tensor(TARGETS, [2, 1, 3, 1]);
  const outputs = tf.tensor(OUTPUTS, [2, 1, 3, 1]);
  return { params: { outputs }, batch: { inputs, targets } };
}
