import * as tf from "@tensorflow/tfjs";

/** A forward pass: its value, and the tensors that its gradient needs. */
export interface Forward {
  readonly value: tf.Tensor;
  readonly saved: readonly tf.Tensor[];
}

/**
 * An operation with a gradient of its own: `gradient` gets the incoming gradient and what `forward`
 * saved, and returns one gradient for each of `inputs`. What a closure catches gets no gradient.
 */
export function withGradient<Out extends tf.Tensor>(
  inputs: readonly tf.Tensor[],
  forward: (inputs: readonly tf.Tensor[]) => Forward,
  gradient: (dy: tf.Tensor, saved: readonly tf.Tensor[]) => readonly tf.Tensor[],
): Out {
  const operation = tf.customGrad((...given) => {
    const save = given.at(-1) as tf.GradSaveFunc;
    const { value, saved } = forward(given.slice(0, -1) as tf.Tensor[]);
    save([...saved]);
    return { value, gradFunc: (dy, kept) => [...gradient(dy, kept)] };
  });
  return operation(...inputs) as Out;
}
