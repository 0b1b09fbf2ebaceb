import type * as tf from "@tensorflow/tfjs";
import { type Kernel, run } from "./kernel.ts";

/** Of any number of tensors: the four `bitSums` of each (src/core/bit_sums.ts), int32 [tensors, 4]. */
export const FINGERPRINT: Kernel = {
  name: "foldlog.Fingerprint",
  takes: "any",
  results: (inputs) => [{ dtype: "int32", shape: [inputs.length, 4] }],
};

/** The sums that the fingerprints of tensors are made of, int32 [tensors, 4]. Borrows the tensors. */
export function fingerprintSums(tensors: readonly tf.Tensor[]): tf.Tensor2D {
  return run(FINGERPRINT, tensors, {})[0] as tf.Tensor2D;
}
