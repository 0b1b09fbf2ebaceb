import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";

/** Waits for a port's answer; a Left stops the attempt that it is called in. */
export type Await<Failure> = <A>(task: TaskEither<Failure, A>) => Promise<A>;

/**
 * Plain async code over ports, as one TaskEither: the first Left that `get` meets is the result.
 *
 * A defect (anything else that is thrown) rejects, as in any async function.
 */
export function attempt<Failure, A>(
  work: (get: Await<Failure>) => Promise<A>,
): TaskEither<Failure, A> {
  return async () => {
    try {
      return E.right(await work(getOrStop));
    } catch (thrown) {
      if (thrown instanceof Stop) return E.left(thrown.failure as Failure);
      throw thrown;
    }
  };
}

/** Ends the attempt that this is called in with a Left. */
export function fail(failure: unknown): never {
  throw new Stop(failure);
}

async function getOrStop<A>(task: TaskEither<unknown, A>): Promise<A> {
  const result = await task();
  if (E.isLeft(result)) throw new Stop(result.left);
  return result.right;
}

class Stop extends Error {
  constructor(readonly failure: unknown) {
    super("An attempt was stopped");
  }
}
