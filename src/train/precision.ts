import type { Precision } from "../core/config.ts";

let current: Precision = "float32";

/**
 * Runs `work` with products, dense layers, convolutions and attention of a precision, and gives what it gives.
 *
 * A scope, as `tf.tidy` is one: it ends where `work` returns or throws, and one within another counts
 * for what is inside of it. What is computed forward in it has gradients of the same precision, wherever
 * they are computed. Throws a TypeError where `work` returns a promise, since the rest of its work would
 * run outside of the scope.
 */
export function withPrecision<A>(precision: Precision, work: () => A): A {
  const before = current;
  current = precision;
  try {
    const result = work();
    if (typeof (result as { then?: unknown } | undefined | null)?.then === "function") {
      throw new TypeError(
        "Expected work that is synchronous, found a promise: " +
          "use withPrecision() inside of what is awaited, around the loss alone",
      );
    }
    return result;
  } finally {
    current = before;
  }
}

/** The precision of the scope that runs now; float32 outside of all. */
export function currentPrecision(): Precision {
  return current;
}
