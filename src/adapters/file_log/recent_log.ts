import * as E from "fp-ts/Either.js";
import { runStateText } from "../../codec/run_state_codec.ts";
import type { StateCache } from "../../codec/state_cache_codec.ts";
import { initialState } from "../../core/evolve.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RecordedEvent } from "../../core/recorded_event.ts";
import type { RunState } from "../../core/run_state.ts";
import { fail } from "../../ports/attempt.ts";
import type { LogContents } from "../../ports/event_log.ts";
import { foldOf } from "../../ports/fold_log.ts";
import { type LogTail, positionAfter, readFirst, readLog } from "./log_reader.ts";
import { placeInWords, segmentName } from "./log_segment.ts";
import { makeWay } from "../files/make_way.ts";
import { hasTraces } from "./run_directory.ts";
import {
  loadStateCache,
  placeOfCache,
  removeStateCache,
  saveStateCache,
  STATE_CACHE,
} from "./state_cache.ts";

/** The end of a log, and the fold of what comes before it. */
export interface RecentLog extends LogTail {
  readonly base: RunState;
  readonly first: RecordedEvent | undefined;
}

/**
 * Reads the end of a run's log, from where its state cache stands; all of it where the cache cannot be
 * used. Fails where the log is shorter than the cache tells that it was.
 */
export async function readRecent(run: RunId, directory: string): Promise<RecentLog> {
  const log = `${directory}/log`;
  const cache = await loadStateCache(directory); // before the log, which may grow meanwhile
  if (cache !== undefined && E.isRight(cache)) {
    const place = await placeOfCache(log, cache.right);
    const first = await readFirst(log);
    if (place !== undefined && first !== undefined) {
      return { ...await readLog(run, log, place), base: cache.right.state, first };
    }
  }
  const tail = await readLog(run, log);
  if (cache !== undefined && E.isRight(cache)) requireLength(run, tail, cache.right);
  return await wholeOf(run, directory, tail);
}

/** Reads all of a run's log. */
export async function readWhole(run: RunId, directory: string): Promise<RecentLog> {
  return await wholeOf(run, directory, await readLog(run, `${directory}/log`));
}

async function wholeOf(run: RunId, directory: string, tail: LogTail): Promise<RecentLog> {
  if (tail.last === undefined && await hasTraces(directory)) failGone(run);
  return { ...tail, base: initialState, first: tail.events[0] };
}

const BEGIN_ANEW = "move the run's directory out of the store to begin anew";

function failGone(run: RunId): never {
  const place = placeInWords(segmentName(0), 0);
  const reason = `expected the events that ${STATE_CACHE} and checkpoints/ tell of, found none`;
  const withoutBackup = BEGIN_ANEW;
  return fail({ type: "LogDamaged", run, position: 0, place, reason, withoutBackup });
}

/** What the port tells of it. */
export function contentsOf({ base, events, first, last, torn }: RecentLog): LogContents {
  return { base, events, ...(first && last && { ends: { first, last } }), ...(torn && { torn }) };
}

/** Why a run's state cache is not what its log says: none where it is, or where there is no cache. */
export async function flawsOfStateCache(
  run: RunId,
  directory: string,
): Promise<readonly string[]> {
  const cache = await loadStateCache(directory);
  const whole = await readLog(run, `${directory}/log`);
  if (cache === undefined) return [];
  const flaw = await flawOf(run, directory, cache, whole);
  return flaw === undefined ? [] : [`${STATE_CACHE}: ${flaw}`];
}

/** Makes the state cache of a run anew, or removes it where there is nothing to keep; says which. */
export async function rebuildStateCache(
  run: RunId,
  directory: string,
): Promise<readonly string[]> {
  const { snapshot, events } = await readWhole(run, directory);
  await makeWay(`${directory}/${STATE_CACHE}`, "isFile");
  if (snapshot === undefined) {
    await removeStateCache(directory);
    return [`${STATE_CACHE} was removed`];
  }
  const state = foldOf({
    base: initialState,
    events: events.slice(0, positionAfter(snapshot.recorded)),
  });
  await saveStateCache(directory, snapshot, state);
  return [`${STATE_CACHE} was written anew`];
}

async function flawOf(
  run: RunId,
  directory: string,
  cache: E.Either<string, StateCache>,
  whole: LogTail,
): Promise<string | undefined> {
  if (E.isLeft(cache)) return cache.left;
  const { state, segment, start } = cache.right;
  requireLength(run, whole, cache.right);
  if (await placeOfCache(`${directory}/log`, cache.right) === undefined) {
    return `expected the line of event ${state.version - 1} at byte ${start} of ` +
      `${segment}, found another or none`;
  }
  return runStateText(state) ===
      runStateText(foldOf({ base: initialState, events: whole.events.slice(0, state.version) }))
    ? undefined
    : `expected the fold of the first ${state.version} events, found another state`;
}

/** A cache tells only of acknowledged events: a log that has fewer has lost some. */
function requireLength(run: RunId, { last, segment }: LogTail, { state }: StateCache): void {
  const position = positionAfter(last);
  if (position >= state.version) return;
  const place = placeInWords(segment ?? segmentName(0), position);
  const reason =
    `expected the ${state.version} events that ${STATE_CACHE} tells of, found ${position}`;
  const withoutBackup = position === 0
    ? BEGIN_ANEW
    : `delete ${STATE_CACHE} to go on from the ${position} events that are left: ` +
      "what they lead to is computed again";
  fail({ type: "LogDamaged", run, position, place, reason, withoutBackup });
}
