import * as tf from "@tensorflow/tfjs";
import { scoped } from "./ownership.ts";
import { mapTree, type Tree } from "./tree.ts";

/**
 * One step of an exponential moving average of the weights (Polyak and Juditsky, 1992):
 * ema' = decay ema + (1 - decay) param.
 *
 * Begin with the parameters themselves as the average. Its weights then sum to 1 from the first step on,
 * so there is no bias to correct and nothing to count; that of the initial parameters is decay^steps.
 * Written as ema + (1 - decay) (param - ema), so that an average of what never changes stays the same bits.
 *
 * Pure: it borrows both trees, and the caller owns the result. Throws a RangeError for a decay that is
 * not from 0 up to, not including, 1.
 *
 * @example
 * ```ts
 * import { emaOf } from "foldlog";
 * import * as tf from "foldlog/tf";
 *
 * const averaged = emaOf(0.75);
 * const { w } = averaged({ w: tf.scalar(8) }, { w: tf.scalar(4) });
 * if (w.arraySync() !== 7) throw new Error("expected 0.75 of 8 and 0.25 of 4");
 * ```
 */
export function emaOf(decay: number): <P extends Tree>(ema: P, params: P) => P {
  if (!(decay >= 0 && decay < 1)) {
    throw new RangeError(`Expected a decay from 0 up to, not including, 1, found ${decay}`);
  }
  return (ema, params) =>
    mapTree(
      (mean, param) => scoped(() => tf.add(mean, tf.mul(tf.sub(param, mean), 1 - decay))),
      ema,
      params,
    );
}
