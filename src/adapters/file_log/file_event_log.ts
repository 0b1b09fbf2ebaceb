import * as E from "fp-ts/Either.js";
import { type Durability, everyStep } from "../../core/durability.ts";
import { parseRunId, type RunId } from "../../core/run_id.ts";
import { fail } from "../../ports/attempt.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EventLog, Extent, LogContents, LogWriter } from "../../ports/event_log.ts";
import { archivedRuns } from "./archived_runs.ts";
import { entriesIn } from "../files/directory_entries.ts";
import { makeDirectory, syncDirectory } from "../files/durable_file.ts";
import { guardedLog } from "./guarded_log.ts";
import { bytesOfSegments } from "./log_segment.ts";
import { logWriter } from "./log_writer.ts";
import { refuseLinks } from "../files/no_links.ts";
import {
  contentsOf,
  flawsOfStateCache,
  readRecent,
  readWhole,
  rebuildStateCache,
} from "./recent_log.ts";
import { type RunLock, takeLock } from "./run_lock.ts";
import { ARCHIVE, listRuns, refuseStrays } from "./run_names.ts";
import { openSegments } from "./segment_writer.ts";
import { removeTornCache } from "./state_cache.ts";
import { systemClock } from "../system/system_clock.ts";

const SEGMENT_BYTES = 4 * 2 ** 20;

/** How a log in files is written. */
export interface FileLogOptions {
  /** When appends become durable; "every-step" unless given. */
  readonly durability?: Durability;
  /** Bytes after which a segment is followed by the next; 4 MiB unless given. */
  readonly segmentBytes?: number;
  readonly clock?: Clock;
}

/**
 * The event log in files, in the layout of docs/format.md.
 *
 * An append is durable (fdatasync) before it resolves. One process writes to a run at a time; any
 * number may read meanwhile.
 */
export function fileEventLog(root: string, options: FileLogOptions = {}): EventLog {
  const { clock = systemClock } = options;
  return {
    runs: () => guardedLog("list the runs", root, () => listRuns(root)),
    read: (run) =>
      guardedLog(
        "read the log",
        `${root}/${run}`,
        async () => contentsOf(await readWhole(run, directoryOf(root, run))),
      ),
    recent: (run) =>
      guardedLog(
        "read the log",
        `${root}/${run}`,
        async () => contentsOf(await readRecent(run, directoryOf(root, run))),
      ),
    open: (run) =>
      guardedLog("open the log", `${root}/${run}`, () => openWriter(root, run, options)),
    bytes: (run) =>
      guardedLog(
        "measure the log",
        `${root}/${run}`,
        () => bytesOfSegments(`${directoryOf(root, run)}/log`),
      ),
    archive: (run) =>
      guardedLog(
        "archive the run",
        `${root}/${run}`,
        () => whileLocked(root, run, clock, () => moveToArchive(root, run, clock)),
      ),
    archived: (extent) =>
      guardedLog("read the archived logs", root, () => readArchived(root, extent, options)),
    checkDerived: (run) =>
      guardedLog(
        "check the state cache",
        `${root}/${run}`,
        async () => await flawsOfStateCache(run, directoryOf(root, run)),
      ),
    rebuildDerived: (run) =>
      guardedLog("rebuild the state cache", `${root}/${run}`, () => rebuild(root, run, clock)),
  };
}

/** What is archived; fails also where the store has a run under a name that nobody reads. */
async function readArchived(
  root: string,
  extent: Extent,
  options: FileLogOptions,
): Promise<readonly LogContents[]> {
  await refuseStrays(root);
  const archived = await archivedRuns(
    `${root}/${ARCHIVE}`,
    extent,
    (place) => fileEventLog(place, options),
  )();
  return E.isLeft(archived) ? fail(archived.left) : archived.right;
}

async function openWriter(
  root: string,
  run: RunId,
  { durability = everyStep, segmentBytes = SEGMENT_BYTES, clock = systemClock }: FileLogOptions,
): Promise<LogWriter> {
  const directory = directoryOf(root, run);
  const log = `${directory}/log`;
  await refuseLinks(root, `${run}/log`);
  for (const path of [root, directory, log]) await makeDirectory(path);
  const lock = await lockRun(root, run, clock);
  try {
    await removeTornCache(directory);
    const recent = await readRecent(run, directory);
    if (recent.segment !== undefined) await refuseLinks(log, recent.segment);
    const blocks = durability.type === "every-step";
    const segments = await openSegments(log, recent, { segmentBytes, blocks });
    return logWriter({ run, directory, recent, segments, lock, durability, clock });
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Moves a run, which is locked, into a new directory of the archive. */
async function moveToArchive(root: string, run: RunId, clock: Clock): Promise<string> {
  const place = await makeArchive(root, clock);
  await Deno.rename(`${root}/${run}`, `${root}/${place}/${run}`);
  await syncDirectory(`${root}/${place}`);
  await syncDirectory(root);
  return `${place}/${run}`;
}

/** Makes a new directory for an archived run, named after the time. */
async function makeArchive(root: string, clock: Clock): Promise<string> {
  await refuseLinks(root, ARCHIVE);
  await makeDirectory(`${root}/${ARCHIVE}`);
  const taken = (await entriesIn(`${root}/${ARCHIVE}`)).map(({ name }) => name);
  const time = clock.now().replaceAll(/[:.]/g, "-");
  let name = time;
  for (let number = 2; taken.includes(name); number++) name = `${time}-${number}`;
  await makeDirectory(`${root}/${ARCHIVE}/${name}`);
  return `${ARCHIVE}/${name}`;
}

async function rebuild(root: string, run: RunId, clock: Clock): Promise<readonly string[]> {
  const directory = directoryOf(root, run);
  if ((await flawsOfStateCache(run, directory)).length === 0) return [];
  return await whileLocked(root, run, clock, () => rebuildStateCache(run, directory));
}

async function whileLocked<A>(
  root: string,
  run: RunId,
  clock: Clock,
  work: () => Promise<A>,
): Promise<A> {
  const lock = await lockRun(root, run, clock);
  try {
    return await work();
  } finally {
    lock.release();
  }
}

async function lockRun(root: string, run: RunId, clock: Clock): Promise<RunLock> {
  const directory = directoryOf(root, run);
  await refuseLinks(root, `${run}/lock`);
  const lock = await takeLock(`${directory}/lock`, clock.now());
  return typeof lock === "string" ? fail({ type: "RunLocked", run, holder: lock }) : lock;
}

/** The directory of a run: an id that could name a place outside of the store is refused. */
function directoryOf(root: string, run: RunId): string {
  const id = parseRunId(run);
  if (E.isRight(id)) return `${root}/${run}`;
  const { reason } = id.left;
  return fail({ type: "LogUnavailable", action: "use the run id", place: run, reason });
}
