import { arraySource, defineTask } from "../../mod.ts";
import * as tf from "../../src/train/tf.ts";

const x = Float32Array.from({ length: 8 }, (_, index) => index / 4 - 1);

/** A line through eight points: the task of the runs in `run_<format>/`, which must never change. */
export const goldenTask = defineTask({
  name: "golden line",
  config: {
    steps: { max: 12 },
    batch: { size: 4, micro: 4 },
    optimizer: { name: "sgd", learningRate: 0.25, momentum: 0.5 },
    save: { every: 3 },
    fingerprint: { every: 0 }, // there was none
  },
  data: arraySource("eight points", {
    x: { dtype: "float32", shape: [8], data: x },
    y: { dtype: "float32", shape: [8], data: x.map((value) => 3 * value + 1) },
  }),
  init: () => ({ slope: tf.scalar(0), offset: tf.scalar(0) }),
  loss: ({ slope, offset }, { x, y }) =>
    tf.mean(tf.squaredDifference(tf.add(tf.mul(x, slope), offset), y)),
});
