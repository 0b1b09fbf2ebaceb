import type * as tf from "@tensorflow/tfjs";
import { currentPrecision } from "../precision.ts";
import { half } from "./half.ts";
import { withGradient } from "./with_gradient.ts";

/**
 * What the current precision makes of an operand of a product: itself, or its rounding to half precision.
 * To be asked for in the forward pass and kept for the gradient.
 */
export function operandRounding(): <T extends tf.Tensor>(x: T) => T {
  return currentPrecision() === "float32" ? itself : half;
}

/** x as the current precision has the operand of a product; its gradient passes as if nothing was rounded. */
export function roundedOperand<T extends tf.Tensor>(x: T): T {
  const rounding = operandRounding();
  if (rounding === itself) return x;
  return withGradient(
    [x],
    ([given]) => ({ value: rounding(given!), saved: [] }),
    (dy) => [dy],
  );
}

/** x, whose gradient is an operand of the current precision where it arrives. */
export function roundedGradient<T extends tf.Tensor>(x: T): T {
  const rounding = operandRounding();
  if (rounding === itself) return x;
  return withGradient(
    [x],
    ([given]) => ({ value: given!.clone(), saved: [] }),
    (dy) => [rounding(dy)],
  );
}

function itself<T>(x: T): T {
  return x;
}
