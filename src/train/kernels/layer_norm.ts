import * as tf from "@tensorflow/tfjs";
import { withGradient } from "./with_gradient.ts";

const EPSILON = 1e-5;

/**
 * Layer normalisation (Ba, Kiros and Hinton, 2016) of x [rows, channels] over its channels, with
 * scale and shift of [channels]. Variance is the biased one, epsilon 1e-5, as in GPT-2.
 */
export function layerNorm(x: tf.Tensor2D, weight: tf.Tensor1D, bias: tf.Tensor1D): tf.Tensor2D {
  return tf.add(tf.mul(standardize(x), weight), bias);
}

function standardize(x: tf.Tensor2D): tf.Tensor2D {
  return withGradient([x], (input) => {
    const centred = tf.sub(input!, tf.mean(input!, 1, true));
    const variance = tf.mean(tf.square(centred), 1, true);
    const inverse = tf.rsqrt(tf.add(variance, EPSILON));
    const normal = tf.mul(centred, inverse);
    return { value: normal, saved: [normal, inverse] };
  }, (dy, [normal, inverse]) => {
    const along = tf.mul(normal!, tf.mean(tf.mul(dy, normal!), 1, true));
    return [tf.mul(inverse!, tf.sub(tf.sub(dy, tf.mean(dy, 1, true)), along))];
  });
}
