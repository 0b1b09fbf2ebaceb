import { dirname } from "node:path";
import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { encodeLine, seal } from "../codec/envelope_codec.ts";
import type { RunEvent } from "../core/event.ts";
import type { RecordedEvent } from "../core/recorded_event.ts";
import { parseRunId, type RunId } from "../core/run_id.ts";
import { fail } from "../ports/attempt.ts";
import type { Clock } from "../ports/clock.ts";
import type { EventLog, LogContents, LogError, LogWriter, TornTail } from "../ports/event_log.ts";
import { makeDirectory, syncDirectory, writeAll } from "./durable_file.ts";
import { readSegments, type Segment } from "./log_segment.ts";
import { type RunLock, takeLock } from "./run_lock.ts";
import { systemClock } from "./system_clock.ts";
import { guarded } from "./system_error.ts";

const FIRST_SEGMENT = "00000000.jsonl";
const SEGMENT = /^[0-9]{8}\.jsonl$/;
const ARCHIVE = ".archive";

/**
 * The event log in files, in the layout of docs/format.md.
 *
 * An append is durable (fdatasync) before it resolves. One process writes to a run at a time; any
 * number may read meanwhile.
 */
export function fileEventLog(root: string, clock: Clock = systemClock): EventLog {
  return {
    runs: () => guardedLog("list the runs", root, () => listRuns(root)),
    read: (run) => guardedLog("read the log", `${root}/${run}`, () => readLog(root, run)),
    open: (run) =>
      guardedLog("open the log", `${root}/${run}`, async () => {
        const directory = directoryOf(root, run);
        await makeDirectory(logOf(root, run));
        const lock = await lockRun(directory, run, clock);
        try {
          return await openWriter(root, run, lock, clock);
        } catch (error) {
          lock.release();
          throw error;
        }
      }),
    archive: (run) =>
      guardedLog("archive the run", `${root}/${run}`, async () => {
        const directory = directoryOf(root, run);
        const lock = await lockRun(directory, run, clock);
        try {
          const name = `${ARCHIVE}/${run}-${clock.now().replaceAll(/[:.]/g, "-")}`;
          await makeDirectory(`${root}/${ARCHIVE}`);
          await Deno.rename(directory, `${root}/${name}`);
          await syncDirectory(root);
          return name;
        } finally {
          lock.release();
        }
      }),
  };
}

async function listRuns(root: string): Promise<readonly RunId[]> {
  const runs: RunId[] = [];
  for (const name of await namesIn(root)) {
    if (E.isRight(parseRunId(name)) && (await segmentsOf(root, name)).length > 0) runs.push(name);
  }
  return runs.sort();
}

async function readLog(root: string, run: RunId): Promise<LogContents> {
  const names = await segmentsOf(root, run);
  const segments: Segment[] = [];
  for (const name of names) {
    segments.push({ name, bytes: await Deno.readFile(`${logOf(root, run)}/${name}`) });
  }
  const contents = readSegments(run, segments);
  return E.isLeft(contents) ? fail(contents.left) : contents.right;
}

async function lockRun(directory: string, run: RunId, clock: Clock): Promise<RunLock> {
  const lock = await takeLock(`${directory}/lock`, clock.now());
  return typeof lock === "string" ? fail({ type: "RunLocked", run, holder: lock }) : lock;
}

async function openWriter(
  root: string,
  run: RunId,
  lock: RunLock,
  clock: Clock,
): Promise<LogWriter> {
  const contents = await readLog(root, run);
  const name = (await segmentsOf(root, run)).at(-1);
  const path = `${logOf(root, run)}/${name ?? FIRST_SEGMENT}`;
  let file = name === undefined ? undefined : await openSegment(path, contents.torn);
  const session = (contents.events.at(-1)?.session ?? 0) + 1;
  let last = contents.events.at(-1);
  let broken = false;

  async function append(
    events: readonly RunEvent[],
    expectedVersion: number,
  ): Promise<readonly RecordedEvent[]> {
    const actual = last === undefined ? 0 : last.position + 1;
    if (actual !== expectedVersion) {
      return fail({ type: "VersionConflict", run, expected: expectedVersion, actual });
    }
    if (broken) {
      const reason = "an earlier append failed: open the run again";
      return fail({ type: "LogUnavailable", action: "append to the log", place: path, reason });
    }
    broken = true; // until the bytes are durable, nobody knows what the file holds
    file ??= await openSegment(path, undefined);
    const stamp = { recordedAt: clock.now(), session };
    const recorded: RecordedEvent[] = [];
    for (const event of events) recorded.push(seal(recorded.at(-1) ?? last, event, stamp));
    const lines = recorded.map((entry) => encodeLine(entry) + "\n").join("");
    await writeAll(file, new TextEncoder().encode(lines));
    await file.syncData();
    broken = false;
    last = recorded.at(-1) ?? last;
    return recorded;
  }

  return {
    contents,
    append: (events, expectedVersion) =>
      guardedLog("append to the log", path, () => append(events, expectedVersion)),
    close: () =>
      guardedLog("close the log", path, () => {
        file?.close();
        lock.release();
        return Promise.resolve();
      }),
  };
}

/** Opens a segment for appending, its torn tail cut off, its name durable. */
async function openSegment(path: string, torn: TornTail | undefined): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { create: true, append: true });
  if (torn !== undefined) {
    const { size } = await file.stat();
    await file.truncate(size - torn.bytes);
    await file.sync();
  }
  await syncDirectory(dirname(path));
  return file;
}

async function segmentsOf(root: string, run: RunId): Promise<readonly string[]> {
  return (await namesIn(logOf(root, run))).filter((name) => SEGMENT.test(name)).sort();
}

/** The names in a directory; none where there is no directory. */
async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** File work whose failure says what could not be done, and where. */
function guardedLog<A>(
  action: string,
  place: string,
  work: () => Promise<A>,
): TaskEither<LogError, A> {
  return guarded((reason) => ({ type: "LogUnavailable", action, place, reason }), work);
}

function directoryOf(root: string, run: RunId): string {
  const id = parseRunId(run);
  if (E.isRight(id)) return `${root}/${run}`;
  const { reason } = id.left;
  return fail({ type: "LogUnavailable", action: "use the run id", place: run, reason });
}

function logOf(root: string, run: RunId): string {
  return `${directoryOf(root, run)}/log`;
}
