import * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../core/host_tensor.ts";
import { foldIn, normal, type RngKey, uniform } from "../core/rng_key.ts";

/**
 * Normal numbers of mean 0 and this deviation for the parameter `name`. Drawn on the host from `key` folded
 * with the name: equal on every backend, and whatever else the model draws.
 */
export function drawnNormal<S extends tf.Rank>(
  key: RngKey,
  name: string,
  shape: tf.ShapeMap[S],
  deviation: number,
): tf.Tensor<S> {
  const numbers = normal(foldIn(key, name), sizeOf(shape)).map((x) => x * deviation);
  return tf.tensor(numbers, shape);
}

/** As `drawnNormal`, uniform from -`bound` up to `bound`. */
export function drawnUniform<S extends tf.Rank>(
  key: RngKey,
  name: string,
  shape: tf.ShapeMap[S],
  bound: number,
): tf.Tensor<S> {
  const numbers = uniform(foldIn(key, name), sizeOf(shape)).map((x) => (2 * x - 1) * bound);
  return tf.tensor(numbers, shape);
}
