import * as tf from "@tensorflow/tfjs";
import { withGradient } from "./with_gradient.ts";

const SCALE = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** Gaussian error linear unit, tanh form (Hendrycks and Gimpel, 2016), as GPT-2 uses it. Any shape. */
export function gelu<T extends tf.Tensor>(x: T): T {
  return withGradient([x], (input) => {
    const square = tf.square(input!);
    const tanh = tf.tanh(tf.mul(input!, tf.add(tf.mul(square, SCALE * CUBIC), SCALE)));
    const gate = tf.mul(tf.add(tanh, 1), 0.5);
    return { value: tf.mul(input!, gate), saved: [input!, gate, square] };
  }, (dy, [input, gate, square]) => {
    // With gate = (1 + tanh u) / 2: gate' = 2 gate (1 - gate) u', and u' = SCALE (1 + 3 CUBIC x^2).
    const slope = tf.add(tf.mul(square!, 6 * SCALE * CUBIC), 2 * SCALE);
    const bend = tf.mul(tf.mul(input!, tf.mul(gate!, tf.sub(1, gate!))), slope);
    return [tf.mul(dy, tf.add(gate!, bend))];
  });
}
