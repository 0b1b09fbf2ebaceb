import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import type { RecordedEvent } from "../../core/recorded_event.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunState } from "../../core/run_state.ts";
import { attempt, type Await, fail } from "../../ports/attempt.ts";
import type { LogContents } from "../../ports/event_log.ts";
import { foldOf } from "../../ports/fold_log.ts";
import type { Store } from "../../ports/store.ts";
import type { RunError } from "../errors/errors.ts";

/** What was recorded of a run since one looked last. */
export interface RunNews {
  /** In the order of the log, each event once. */
  readonly events: readonly RecordedEvent[];
  /** What the run amounts to now. */
  readonly state: RunState;
  readonly contents: LogContents;
}

/** How a run is watched. */
export interface Watch {
  /** Resolves when it is time to look again: to false where nobody watches any more. */
  readonly wait: () => Promise<boolean>;
  /** Told of what is new; the first time of all there is. False ends the watch. */
  readonly onNews: (news: RunNews) => Promise<boolean>;
  /** Told once that there is no such run yet. */
  readonly onMissing: () => void;
}

/**
 * Tells what is recorded of a run, as it is recorded by whoever trains it, until it is complete or nobody
 * watches. A run that is not there is waited for.
 *
 * It only reads, and only where the log has grown since. A line that is still being written is no event yet. A
 * run that took the place of another is told from its beginning.
 */
export function followRun(
  { log }: Pick<Store, "log">,
  run: RunId,
  { wait, onNews, onMissing }: Watch,
): TaskEither<RunError, void> {
  return attempt<RunError, void>(async (get) => {
    let seen = NOTHING;
    let missing = false;
    for (let size = -1;;) {
      const bytes = await get(log.bytes(run)); // before it is read: what comes after is looked at again
      if (bytes !== size) {
        size = bytes;
        const read = await readFrom(log, run, seen, wait, get);
        if (read === undefined) return;
        const { contents, from } = read;
        const { ends, base, events } = contents;
        if (ends === undefined) {
          if (!missing) onMissing();
          missing = true;
        } else {
          const state = foldOf(contents);
          const news = events.slice(Math.max(0, from - base.version));
          if (news.length > 0 && !await onNews({ events: news, state, contents })) return;
          seen = { first: ends.first.digest, version: Math.max(from, state.version) };
          if (state.status === "completed") return;
        }
      }
      if (!await wait()) return;
    }
  });
}

/** How much of which log has been told. */
interface Seen {
  /** Digest of its first envelope: tells the run from another of its name. */
  readonly first: string | undefined;
  readonly version: number;
}

const NOTHING: Seen = { first: undefined, version: 0 };

interface Read {
  readonly contents: LogContents;
  /** The position of the first event that has not been told. */
  readonly from: number;
}

/**
 * The end of a log, at least from where it has been told on. A log that seems damaged is read once more, a
 * wait later: a writer may just have cut off a torn line. Undefined where nobody watches any more.
 */
async function readFrom(
  log: Store["log"],
  run: RunId,
  seen: Seen,
  wait: Watch["wait"],
  get: Await<RunError>,
): Promise<Read | undefined> {
  const recent = await log.recent(run)();
  if (E.isLeft(recent) && recent.left.type !== "LogDamaged") return fail(recent.left);
  if (E.isLeft(recent) && !await wait()) return undefined;
  const contents = E.isRight(recent) ? recent.right : await get(log.recent(run));
  const from = contents.ends?.first.digest === seen.first ? seen.version : 0;
  if (contents.base.version <= from) return { contents, from };
  return { contents: await get(log.read(run)), from };
}
