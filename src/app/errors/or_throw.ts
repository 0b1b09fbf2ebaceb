import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { describeError } from "./describe_error.ts";
import { DivergenceError } from "./divergence_error.ts";
import type { RunError } from "./errors.ts";

/**
 * Runs a workflow for a script: its result, or an Error whose message says what was expected, what
 * was found and what to do, and whose `cause` is the RunError. A divergence is a DivergenceError.
 */
export async function orThrow<A>(work: TaskEither<RunError, A>): Promise<A> {
  const result = await work();
  if (E.isRight(result)) return result.right;
  if (result.left.type === "Diverged") throw new DivergenceError(result.left);
  throw new Error(describeError(result.left), { cause: result.left });
}
