import * as tf from "@tensorflow/tfjs";

/** A forward pass: its value, and the tensors that its gradient needs. */
export interface Forward {
  readonly value: tf.Tensor;
  readonly saved: readonly tf.Tensor[];
}

/** The gradient of an input, or what computes it: that is called only where the gradient is needed. */
export type InputGradient = tf.Tensor | (() => tf.Tensor);

/**
 * An operation with a gradient of its own: `gradient` gets the incoming gradient and what `forward`
 * saved, and returns one gradient for each of `inputs`. What a closure catches gets no gradient.
 */
export function withGradient<Out extends tf.Tensor>(
  inputs: readonly tf.Tensor[],
  forward: (inputs: readonly tf.Tensor[]) => Forward,
  gradient: (dy: tf.Tensor, saved: readonly tf.Tensor[]) => readonly InputGradient[],
): Out {
  return engine().runKernelFunc({
    inputs: Object.fromEntries(inputs.entries()),
    forwardFunc(_backend, save) {
      const { value, saved } = forward(inputs);
      save([...saved]);
      return value;
    },
    backwardsFunc(dy, saved) {
      const found = gradient(dy, saved).map((one) => typeof one === "function" ? one : () => one);
      return Object.fromEntries(found.entries());
    },
  }) as Out;
}

/**
 * What tfjs's `customGrad` calls. It wants the gradients of all inputs at once; tfjs itself asks for each
 * that is on the way to a trained parameter, so that those of frozen ones are never computed.
 */
interface GradientEngine {
  runKernelFunc(operation: {
    readonly inputs: Record<string, tf.Tensor>;
    readonly forwardFunc: (backend: unknown, save: (tensors: tf.Tensor[]) => void) => tf.Tensor;
    readonly backwardsFunc: (
      dy: tf.Tensor,
      saved: readonly tf.Tensor[],
    ) => Record<string, () => tf.Tensor>;
  }): tf.Tensor;
}

function engine(): GradientEngine {
  return tf.engine() as unknown as GradientEngine;
}
