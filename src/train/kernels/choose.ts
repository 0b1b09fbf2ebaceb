import type * as tf from "@tensorflow/tfjs";
import { type Kernel, run } from "./kernel.ts";

/** Of a measure [], next and previous of one shape: next where the measure is finite, else previous. */
export const CHOOSE: Kernel = {
  name: "foldlog.Choose",
  takes: ["float32", "any", "any"],
  results: ([_measure, next]) => [next!],
};

/**
 * `next` where the float32 scalar `measure` is finite, else `previous`, bit for bit: decided on the
 * device, without waiting for the measure to be read. `next` and `previous` are of one shape and type.
 *
 * It tests the bits of the measure's exponent: a compiler of shaders may take it that no float is
 * infinite or NaN, and drop a comparison that asks. It has no gradient. Borrows what it is given; the
 * caller owns the result, which is always a tensor of its own.
 */
export function whereFinite<T extends tf.Tensor>(measure: tf.Scalar, next: T, previous: T): T {
  const [asked, shape, other] = [measure, next, previous].map((x) => `${x.dtype} [${x.shape}]`);
  if (asked !== "float32 []" || shape !== other) {
    throw new TypeError(
      "Expected a measure that is float32 [] and two tensors of one type and shape, " +
        `found ${asked}, ${shape} and ${other}`,
    );
  }
  return run(CHOOSE, [measure, next, previous], {})[0] as T;
}
