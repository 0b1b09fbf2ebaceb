import type { TaskEither } from "fp-ts/TaskEither.js";
import { attempt } from "../../ports/attempt.ts";
import type { EventLog, Extent, LogContents, LogError } from "../../ports/event_log.ts";
import { readTo } from "../../ports/read_to.ts";
import { guardedLog } from "./guarded_log.ts";
import { directoriesIn, refuseRun, refuseStrays } from "./run_names.ts";

/**
 * What the logs in an archive hold: each directory in it has the layout of a store of its own.
 *
 * Fails where a run is in the archive at a place where nobody would read it.
 */
export function archivedRuns(
  archive: string,
  extent: Extent,
  logAt: (root: string) => EventLog,
): TaskEither<LogError, readonly LogContents[]> {
  return attempt<LogError, readonly LogContents[]>(async (get) => {
    const found: LogContents[] = [];
    for (const place of await get(places(archive))) {
      const log = logAt(place);
      for (const run of await get(log.runs())) {
        found.push(await get(readTo(extent, log, run)));
      }
    }
    return found;
  });
}

function places(archive: string): TaskEither<LogError, readonly string[]> {
  return guardedLog("list the archived runs", archive, async () => {
    const found = (await directoriesIn(archive)).map((name) => `${archive}/${name}`);
    for (const place of found) {
      await refuseRun(place, `it is a run, and belongs one level deeper: ${archive}/TIME/RUN`);
      await refuseStrays(place);
    }
    return found;
  });
}
