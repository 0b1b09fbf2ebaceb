import * as E from "fp-ts/Either.js";
import { decodeEnvelope } from "../../codec/envelope_codec.ts";
import {
  decodeStateCache,
  encodeStateCache,
  type StateCache,
} from "../../codec/state_cache_codec.ts";
import { decodeUtf8 } from "../../codec/utf8.ts";
import type { RunState } from "../../core/run_state.ts";
import { writeAll } from "../files/durable_file.ts";
import { removeIfThere } from "../files/remove_if_there.ts";
import { LONGEST_LINE, positionAfter } from "./log_reader.ts";
import { isSegmentName, LINE_BREAK, type LinePlace, openSegment } from "./log_segment.ts";
import { readRegular } from "../files/regular_file.ts";
import { isSystemError } from "../files/system_error.ts";

/** Name of the cache in a run's directory. */
export const STATE_CACHE = "state.json";

/** There is one writer, so there is one name: what a crash leaves there is written over. */
const TEMPORARY = ".tmp-state.json";

const LARGEST = 64 * 2 ** 20;

/** The cache of a run; why it is none, where it cannot be read; undefined where there is none. */
export async function loadStateCache(
  directory: string,
): Promise<E.Either<string, StateCache> | undefined> {
  try {
    const content = await readRegular(`${directory}/${STATE_CACHE}`, { least: 0, most: LARGEST });
    if (content.type === "NoFile") return undefined;
    if (content.type === "Misfit") return E.left(content.reason);
    const text = decodeUtf8(content.bytes);
    return text === undefined ? E.left("not UTF-8") : decodeStateCache(text);
  } catch (error) {
    if (isSystemError(error)) return E.left(error.message);
    throw error;
  }
}

/** The line of the log at which a cache stands, checked; undefined where that line is not there. */
export async function placeOfCache(log: string, cache: StateCache): Promise<LinePlace | undefined> {
  const { segment, start, end, last, state } = cache;
  const length = end - start;
  if (!isSegmentName(segment) || length < 1 || length > LONGEST_LINE) return undefined;
  using file = await openIfThere(`${log}/${segment}`);
  if (file === undefined) return undefined;
  if (end > file.statSync().size) return undefined; // nor can every offset be sought
  await file.seek(start, Deno.SeekMode.Start);
  const bytes = await readBytes(file, length);
  if (bytes.length !== length || bytes.indexOf(LINE_BREAK) !== length - 1) return undefined;
  const text = decodeUtf8(bytes.subarray(0, -1));
  const read = text === undefined ? undefined : decodeEnvelope(text);
  if (read === undefined || E.isLeft(read)) return undefined;
  const recorded = read.right;
  if (recorded.digest !== last || positionAfter(recorded) !== state.version) return undefined;
  return { segment, start, end, recorded };
}

/**
 * Keeps `state`, the fold of the events up to the line at `place`, which must be durable.
 *
 * Its bytes are durable before it has its name, so that a crash leaves this cache or the one before.
 */
export async function saveStateCache(
  directory: string,
  { segment, start, end, recorded }: LinePlace,
  state: RunState,
): Promise<void> {
  const text = encodeStateCache({ segment, start, end, last: recorded.digest, state });
  const temporary = `${directory}/${TEMPORARY}`;
  try {
    await removeIfThere(temporary);
    await writeSynced(temporary, text);
    await Deno.rename(temporary, `${directory}/${STATE_CACHE}`);
  } catch (error) {
    await Deno.remove(temporary).catch(() => undefined);
    throw error;
  }
}

/** Removes what a crash left of a cache that was being written. */
export async function removeTornCache(directory: string): Promise<void> {
  await removeIfThere(`${directory}/${TEMPORARY}`);
}

/** Removes the cache of a run. */
export async function removeStateCache(directory: string): Promise<void> {
  await removeIfThere(`${directory}/${STATE_CACHE}`);
}

async function writeSynced(path: string, text: string): Promise<void> {
  using file = await Deno.open(path, { createNew: true, write: true });
  await writeAll(file, new TextEncoder().encode(text));
  await file.sync();
}

async function openIfThere(path: string): Promise<Deno.FsFile | undefined> {
  try {
    return await openSegment(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Up to `length` bytes from where the file stands: fewer where it ends before. */
async function readBytes(file: Deno.FsFile, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const count = await file.read(bytes.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}
