import type { TaskEither } from "fp-ts/TaskEither.js";
import type { LogError } from "../../ports/event_log.ts";
import { guarded } from "../files/system_error.ts";

/** File work of a log whose failure says what could not be done, and where. */
export function guardedLog<A>(
  action: string,
  place: string,
  work: () => Promise<A>,
): TaskEither<LogError, A> {
  return guarded((reason) => ({ type: "LogUnavailable", action, place, reason }), work);
}
