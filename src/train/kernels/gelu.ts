import * as tf from "@tensorflow/tfjs";
import { withGradient } from "./with_gradient.ts";

const SCALE = 2 * Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/**
 * Gaussian error linear unit, tanh form (Hendrycks and Gimpel, 2016), as GPT-2 uses it. Any shape.
 *
 * (1 + tanh(u)) / 2 is written as sigmoid(2 u), which wasm computes several times faster.
 */
export function gelu<T extends tf.Tensor>(x: T): T {
  return withGradient([x], (input) => {
    const square = tf.square(input!);
    const gate = tf.sigmoid(tf.mul(input!, tf.add(tf.mul(square, SCALE * CUBIC), SCALE)));
    return { value: tf.mul(input!, gate), saved: [input!, gate, square] };
  }, (dy, [input, gate, square]) => {
    // gate' = gate (1 - gate) u', and u' = SCALE (1 + 3 CUBIC x^2).
    const slope = tf.add(tf.mul(square!, 3 * SCALE * CUBIC), SCALE);
    const bend = tf.mul(tf.mul(input!, tf.mul(gate!, tf.sub(1, gate!))), slope);
    return [tf.mul(dy, tf.add(gate!, bend))];
  });
}
