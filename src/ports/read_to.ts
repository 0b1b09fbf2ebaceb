import type { TaskEither } from "fp-ts/TaskEither.js";
import type { RunId } from "../core/run_id.ts";
import { attempt } from "./attempt.ts";
import type { EventLog, Extent, LogContents, LogError } from "./event_log.ts";

/**
 * Reads a run's log to this extent.
 *
 * The whole does not stand for its end: what is kept beside a log may tell that it was longer.
 */
export function readTo(
  extent: Extent,
  log: EventLog,
  run: RunId,
): TaskEither<LogError, LogContents> {
  return attempt<LogError, LogContents>(async (get) => {
    const recent = await get(log.recent(run));
    return extent === "recent" ? recent : await get(log.read(run));
  });
}
