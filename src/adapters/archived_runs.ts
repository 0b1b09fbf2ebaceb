import type { TaskEither } from "fp-ts/TaskEither.js";
import { attempt } from "../ports/attempt.ts";
import type { EventLog, LogContents, LogError } from "../ports/event_log.ts";
import { entriesIn } from "./directory_entries.ts";
import { guarded } from "./system_error.ts";

/** What the logs in an archive hold: each directory in it has the layout of a store of its own. */
export function archivedRuns(
  archive: string,
  logAt: (root: string) => EventLog,
): TaskEither<LogError, readonly LogContents[]> {
  return attempt<LogError, readonly LogContents[]>(async (get) => {
    const found: LogContents[] = [];
    for (const { name } of await get(listed(archive))) {
      const log = logAt(`${archive}/${name}`);
      for (const run of await get(log.runs())) found.push(await get(log.recent(run)));
    }
    return found;
  });
}

function listed(archive: string): TaskEither<LogError, readonly Deno.DirEntry[]> {
  const action = "list the archived runs";
  return guarded(
    (reason) => ({ type: "LogUnavailable", action, place: archive, reason }),
    async () => (await entriesIn(archive)).filter(({ isFile }) => !isFile),
  );
}
