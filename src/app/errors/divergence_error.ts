import { describeError } from "./describe_error.ts";
import type { Divergence } from "./errors.ts";

/** A recomputation that was not what the log recorded, as scripts catch it. */
export class DivergenceError extends Error {
  /** The first step that differs. */
  readonly step: number;
  /** The first tensor that differs, as "group/path", where one can be named. */
  readonly leaf: string | undefined;
  /** What was recorded, and what was recomputed. */
  readonly expected: Divergence["expected"];
  readonly actual: Divergence["actual"];

  constructor(divergence: Divergence) {
    super(describeError(divergence), { cause: divergence });
    const { step, leaves, expected, actual } = divergence;
    this.name = "DivergenceError";
    this.step = step;
    this.leaf = leaves[0];
    this.expected = expected;
    this.actual = actual;
  }
}
