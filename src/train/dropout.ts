import * as tf from "@tensorflow/tfjs";
import { bits, type RngKey } from "../core/rng_key.ts";

/**
 * Sets each element to zero with probability `rate` and scales the others by 1 / (1 - rate)
 * (Srivastava et al., 2014). The mask is a function of `key` alone, the same on every backend.
 */
export function dropout<T extends tf.Tensor>(x: T, rate: number, key: RngKey): T {
  if (rate === 0) return x;
  const words = bits(key, x.size);
  const threshold = Math.round(rate * 2 ** 32);
  const kept = Math.fround(1 / (1 - rate));
  const mask = Float32Array.from(words, (word) => word >= threshold ? kept : 0);
  return tf.mul(x, tf.tensor(mask, x.shape));
}
