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
import { entriesIn } from "./directory_entries.ts";
import { makeDirectory, syncDirectory, writeAll } from "./durable_file.ts";
import { LINE_BREAK, readSegments, type Segment } from "./log_segment.ts";
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
          const place = await makeArchive(root, clock);
          await Deno.rename(directory, `${root}/${place}/${run}`);
          await syncDirectory(`${root}/${place}`);
          await syncDirectory(root);
          return `${place}/${run}`;
        } finally {
          lock.release();
        }
      }),
  };
}

async function listRuns(root: string): Promise<readonly RunId[]> {
  const runs: RunId[] = [];
  for (const { name, isDirectory } of await entriesIn(root)) {
    if (isDirectory && E.isRight(parseRunId(name)) && await hasEvent(root, name)) runs.push(name);
  }
  return runs.sort();
}

/** Whether a run's log has one whole line: without it nothing was ever acknowledged. */
async function hasEvent(root: string, run: RunId): Promise<boolean> {
  const [first] = await segmentsOf(root, run);
  if (first === undefined) return false;
  using file = await Deno.open(`${logOf(root, run)}/${first}`);
  const chunk = new Uint8Array(4096);
  for (;;) {
    const count = await file.read(chunk);
    if (count === null) return false;
    if (chunk.subarray(0, count).includes(LINE_BREAK)) return true;
  }
}

/** Makes a new directory for an archived run, named after the time. */
async function makeArchive(root: string, clock: Clock): Promise<string> {
  await makeDirectory(`${root}/${ARCHIVE}`);
  const taken = (await entriesIn(`${root}/${ARCHIVE}`)).map(({ name }) => name);
  const time = clock.now().replaceAll(/[:.]/g, "-");
  let name = time;
  for (let number = 2; taken.includes(name); number++) name = `${time}-${number}`;
  await makeDirectory(`${root}/${ARCHIVE}/${name}`);
  return `${ARCHIVE}/${name}`;
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
  let closed = false;
  let offset = file === undefined ? 0 : (await file.stat()).size; // where the next line belongs

  async function append(
    events: readonly RunEvent[],
    expectedVersion: number,
  ): Promise<readonly RecordedEvent[]> {
    const actual = last === undefined ? 0 : last.position + 1;
    if (actual !== expectedVersion) {
      return fail({ type: "VersionConflict", run, expected: expectedVersion, actual });
    }
    if (broken || closed) {
      const before = closed ? "the log was closed" : "an earlier append failed";
      const reason = `${before}: open the run again`;
      return fail({ type: "LogUnavailable", action: "append to the log", place: path, reason });
    }
    if (events.length === 0) return [];
    broken = true; // until the bytes are durable, nobody knows what the file holds
    file ??= await openSegment(path, undefined);
    const { size } = await file.stat();
    if (size !== offset) {
      const reason = `it grew from ${offset} to ${size} bytes: someone else writes to it`;
      return fail({ type: "LogUnavailable", action: "append to the log", place: path, reason });
    }
    const stamp = { recordedAt: clock.now(), session };
    const recorded: RecordedEvent[] = [];
    for (const event of events) recorded.push(seal(recorded.at(-1) ?? last, event, stamp));
    const text = recorded.map((entry) => encodeLine(entry) + "\n").join("");
    const lines = new TextEncoder().encode(text);
    await writeAll(file, lines);
    await file.syncData();
    offset += lines.length;
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
        if (!closed) {
          file?.close();
          lock.release();
        }
        closed = true;
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
  const names = (await entriesIn(logOf(root, run))).map(({ name }) => name);
  return names.filter((name) => SEGMENT.test(name)).sort();
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
