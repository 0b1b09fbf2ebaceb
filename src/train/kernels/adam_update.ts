import type * as tf from "@tensorflow/tfjs";
import { type Kernel, run } from "./kernel.ts";

/** The numbers of one update of Adam. */
export type AdamNumbers = {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** 1 - beta1^t and 1 - beta2^t at update t, counted from 1. */
  readonly correction1: number;
  readonly correction2: number;
  /** What the parameter is multiplied by before it joins the update: 0 for no decay. */
  readonly decay: number;
  readonly learningRate: number;
};

/**
 * Of gradient, first moment mu, second moment nu and parameter, all of one shape: what is to be added to
 * the parameter, and the new moments.
 *
 * mu' = beta1 mu + (1 - beta1) g; nu' = beta2 nu + (1 - beta2) g^2; the update is
 * -learningRate ((mu' / correction1) / (sqrt(nu' / correction2) + epsilon) + decay param).
 */
export const ADAM_UPDATE: Kernel<AdamNumbers> = {
  name: "foldlog.AdamUpdate",
  results: ([gradient]) => [gradient!, gradient!, gradient!],
};

/** One update of Adam with decoupled weight decay. The caller owns what it returns. */
export function adamUpdate(
  gradient: tf.Tensor,
  state: { readonly mu: tf.Tensor; readonly nu: tf.Tensor },
  param: tf.Tensor,
  numbers: AdamNumbers,
): { readonly update: tf.Tensor; readonly mu: tf.Tensor; readonly nu: tf.Tensor } {
  const [update, mu, nu] = run(ADAM_UPDATE, [gradient, state.mu, state.nu, param], numbers);
  return { update: update!, mu: mu!, nu: nu! };
}
