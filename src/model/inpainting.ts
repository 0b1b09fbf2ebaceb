import * as tf from "@tensorflow/tfjs";
import type { Predict, SupervisedLoss, SupervisedTensors } from "./supervised_loss.ts";

/**
 * The mean squared difference of a model's outputs and `targets` [n, height, width, 1] where an image is
 * hidden: the sum over the hidden pixels of the batch, divided by how many they are, so that each of them
 * counts as much as any other, whosever image it is. What can be seen counts nothing.
 *
 * `inputs` [n, height, width, 2] are the images, from -1 to 1 and whatever where they are hidden, and their
 * masks: 1 where they are, 0 elsewhere. Targets are from 0 to 1. At least one pixel of a batch is hidden.
 *
 * @throws {RangeError} for inputs, outputs or targets of other shapes
 */
export function inpaintingLoss<P>(predict: Predict<P>): SupervisedLoss<P> {
  return (params, batch, key) => {
    const difference = differenceOf(predict(params, batch.inputs, key), batch);
    return meanWhereHidden(tf.square(difference), batch);
  };
}

/**
 * Of what `inpaintingLoss` takes: `maskedError`, the mean absolute difference of the hidden pixels, and `psnr`,
 * their peak signal-to-noise ratio in decibels, -10 log10 of the loss, where 1 is the peak.
 */
export function inpaintingMeasures<P>(
  predict: Predict<P>,
): (params: P, batch: SupervisedTensors) => {
  readonly maskedError: tf.Scalar;
  readonly psnr: tf.Scalar;
} {
  return (params, batch) => {
    const difference = differenceOf(predict(params, batch.inputs), batch);
    const squares = meanWhereHidden(tf.square(difference), batch);
    return {
      maskedError: meanWhereHidden(tf.abs(difference), batch),
      psnr: tf.mul(tf.log(squares), -10 / Math.LN10),
    };
  };
}

/** Images [n, height, width, 1], from 0 to 1, as they can be seen, and as outputs have them where hidden. */
export function inpainted(outputs: tf.Tensor, inputs: tf.Tensor): tf.Tensor {
  const mask = channel(inputs, 1);
  const shades = tf.mul(tf.add(channel(inputs, 0), 1), 0.5);
  const seen = tf.mul(shades, tf.sub(1, mask));
  return tf.add(seen, tf.mul(outputs, mask));
}

function meanWhereHidden(values: tf.Tensor, { inputs }: SupervisedTensors): tf.Scalar {
  const mask = channel(inputs, 1);
  return tf.div(tf.sum(tf.mul(values, mask)), tf.sum(mask));
}

/** Otherwise they would be broadcast. */
function differenceOf(outputs: tf.Tensor, { inputs, targets }: SupervisedTensors): tf.Tensor {
  const expected = [...inputs.shape.slice(0, -1), 1];
  for (const [what, { shape }] of [["outputs", outputs], ["targets", targets]] as const) {
    if (shape.join() === expected.join()) continue;
    throw new RangeError(`Expected ${what} of shape [${expected}], found [${shape}]`);
  }
  return tf.sub(outputs, targets);
}

function channel(inputs: tf.Tensor, number: number): tf.Tensor {
  if (inputs.rank !== 4 || inputs.shape[3] !== 2) {
    throw new RangeError(
      `Expected inputs [n, height, width, 2], the second number the mask, found [${inputs.shape}]`,
    );
  }
  return tf.slice(inputs, [0, 0, 0, number], [-1, -1, -1, 1]);
}
