import * as tf from "@tensorflow/tfjs";
import { type RngKey, uniform } from "../core/rng_key.ts";

/**
 * Tokens (int32, any shape) each of which is made token 0 with probability `rate`: an augmentation, drawn on
 * the host from `key`, so equal on every backend. The tokens themselves, to the handle, for a rate of 0.
 */
export function hiddenTokens(tokens: tf.Tensor, rate: number, key: RngKey): tf.Tensor {
  if (rate === 0) return tokens;
  const kept = Int32Array.from(uniform(key, tokens.size), (draw) => draw < rate ? 0 : 1);
  return tf.mul(tokens, tf.tensor(kept, tokens.shape, "int32"));
}
