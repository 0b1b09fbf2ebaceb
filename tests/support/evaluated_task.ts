import { arraySource, defineTask, type PartialConfig, type Task } from "foldlog";
import * as tf from "foldlog/tf";

/** The name of the run in all stores of the tests that have this task. */
export const RUN = "run";

/** A slope that is pulled to 4, over 4 steps: evaluated on [1, 2] and [3, 4] after steps 2 and 4. */
export function evaluatedTask(config: PartialConfig = {}): Task {
  const data = (name: string) =>
    arraySource(name, {
      x: { dtype: "float32", shape: [4, 1], data: new Float32Array([1, 2, 3, 4]) },
    });
  const loss = ({ w }: { readonly w: tf.Scalar }, { x }: { readonly x: tf.Tensor }) =>
    tf.mean<tf.Scalar>(tf.squaredDifference(tf.mul(x, w), 4));
  return defineTask({
    name: "pulled",
    config: {
      steps: { max: 4 },
      batch: { size: 2, micro: 2 },
      optimizer: { name: "sgd", learningRate: 0.0625 },
      save: { every: 3 },
      evaluate: { every: 2, batches: 2 },
      ...config,
    },
    data: data("numbers"),
    evaluation: { data: data("held out"), loss },
    init: () => ({ w: tf.scalar(0) }),
    loss,
  });
}
