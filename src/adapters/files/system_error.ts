import type { TaskEither } from "fp-ts/TaskEither.js";
import { attempt, fail } from "../../ports/attempt.ts";

/**
 * Runs file work: what the operating system refused (no space, no permission, no such file) becomes
 * the failure that `describe` makes of its message; a defect of ours still rejects.
 */
export function guarded<Failure, A>(
  describe: (reason: string) => Failure,
  work: () => Promise<A>,
): TaskEither<Failure, A> {
  return attempt(async () => {
    try {
      return await work();
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return fail(describe(error.message));
    }
  });
}

/** Whether an error came from the operating system, or from Deno's permissions on the way to it. */
export function isSystemError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  if (/\(os error \d+\)/.test(error.message)) return true;
  return Object.values(Deno.errors).some((type) => error instanceof type);
}
