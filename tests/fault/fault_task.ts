import { arraySource } from "../../src/adapters/data/array_source.ts";
import { codeIdentity } from "../../src/codec/code_identity.ts";
import { defineTask } from "../../src/ports/task.ts";
import * as tf from "../../src/train/tf.ts";

/** The run that faults happen to. */
export const RUN = "a";

/** The code of the run: two files that are objects beside those of snapshots. */
export const faultCode = codeIdentity(
  new Map(["loss.ts", "task.ts"].map((path) => [path, new TextEncoder().encode(path)])),
  ["npm:none@1.0.0"],
);

const SLOPES = 3000;

const xs = Float32Array.from({ length: 8 }, (_, index) => index / 4 - 1);

/**
 * A training of next to nothing, ten steps long: what takes time is in the store. Snapshots are due at
 * steps 3, 6, 9 and 10, evaluations at 5 and 10; epochs end at 3, 6 and 9. The slope is a sum of many,
 * so that a tensor is larger than the log when the first is stored, and than a page of a disk.
 */
export const faultTask = defineTask({
  name: "line",
  config: {
    steps: { max: 10 },
    batch: { size: 2, micro: 2 },
    optimizer: { name: "sgd", learningRate: 0.001, momentum: 0.5 },
    save: { every: 3 },
    evaluate: { every: 5, batches: 1 },
  },
  data: pointsOf("points", xs.subarray(0, 6)),
  evaluation: { data: pointsOf("held out", xs.subarray(6)), loss: meanSquare },
  init: (): Line => ({ slopes: tf.zeros([SLOPES]), offset: tf.scalar(0) }),
  loss: meanSquare,
});

type Line = { readonly slopes: tf.Tensor; readonly offset: tf.Scalar };
type Points = { readonly x: tf.Tensor; readonly y: tf.Tensor };

function meanSquare({ slopes, offset }: Line, { x, y }: Points): tf.Scalar {
  return tf.mean(tf.squaredDifference(tf.add(tf.mul(x, tf.sum(slopes)), offset), y));
}

/** Points of the line 3 x + 1. */
function pointsOf(name: string, x: Float32Array) {
  const y = x.map((value) => 3 * value + 1);
  const shape = [x.length];
  return arraySource(name, {
    x: { dtype: "float32", shape, data: x },
    y: { dtype: "float32", shape, data: y },
  });
}
