import * as E from "fp-ts/Either.js";
import { decodeLine, type LineError, MAX_LINE } from "../../codec/envelope_codec.ts";
import { decodeUtf8 } from "../../codec/utf8.ts";
import type { RecordedEvent } from "../../core/recorded_event.ts";
import type { RunId } from "../../core/run_id.ts";
import { fail } from "../../ports/attempt.ts";
import type { LogError, TornTail } from "../../ports/event_log.ts";
import { readLine, readLines, type Rest } from "./line_reader.ts";
import {
  type LinePlace,
  openSegment,
  placeInWords,
  segmentName,
  segmentsIn,
} from "./log_segment.ts";

/** What the segments of a log hold, from some line on. */
export interface LogTail {
  readonly events: readonly RecordedEvent[];
  /** The last envelope of the log, whether or not it is among the events. */
  readonly last: RecordedEvent | undefined;
  /** Where the last SnapshotTaken among the events is. */
  readonly snapshot: LinePlace | undefined;
  readonly torn: TornTail | undefined;
  /** Name of the last segment; undefined where there is none. */
  readonly segment: string | undefined;
  /** Where the next line belongs in the last segment. */
  readonly size: number;
}

/** The most bytes of a line: UTF-8 has up to three for a UTF-16 code unit. */
export const LONGEST_LINE = 3 * MAX_LINE;

/** The position of the event that follows. */
export function positionAfter(last: RecordedEvent | undefined): number {
  return last === undefined ? 0 : last.position + 1;
}

/**
 * Reads a log from the line after `from`, or all of it, and checks every line and that the segments
 * follow each other. Only the last segment may end in a torn line.
 */
export async function readLog(run: RunId, directory: string, from?: LinePlace): Promise<LogTail> {
  const names = await segmentsIn(directory);
  const unread = from === undefined ? names : names.slice(names.indexOf(from.segment));
  const reading: Reading = {
    run,
    events: [],
    last: from?.recorded,
    snapshot: undefined,
    torn: undefined,
    segment: names.at(-1),
    size: 0,
  };
  for (const name of unread) {
    using file = await openSegment(`${directory}/${name}`);
    if (name === from?.segment) {
      reading.size = await file.seek(from.end, Deno.SeekMode.Start);
    } else {
      reading.size = 0;
      checkName(reading, name);
    }
    const rest = await readLines(file, LONGEST_LINE, (line) => takeLine(reading, name, line));
    if (rest.bytes.length > 0) takeRest(reading, name, rest);
  }
  return reading;
}

/** The first envelope of a log; undefined where it has none, or none that is right. */
export async function readFirst(directory: string): Promise<RecordedEvent | undefined> {
  const [name] = await segmentsIn(directory);
  if (name === undefined) return undefined;
  using file = await openSegment(`${directory}/${name}`);
  const line = await readLine(file, LONGEST_LINE);
  const text = line && decodeUtf8(line);
  const decoded = text === undefined ? undefined : decodeLine(text, undefined);
  return decoded !== undefined && E.isRight(decoded) ? decoded.right : undefined;
}

type Reading =
  & { run: RunId; events: RecordedEvent[] }
  & {
    -readonly [K in Exclude<keyof LogTail, "events">]: LogTail[K];
  };

function checkName(reading: Reading, name: string): void {
  const expected = segmentName(positionAfter(reading.last));
  if (name === expected) return;
  failDamaged(reading, expected, `expected the segment ${expected}, found ${name} in its place`);
}

function takeLine(reading: Reading, segment: string, line: Uint8Array): void {
  const text = decodeUtf8(line);
  if (text === undefined) return failDamaged(reading, segment, "not UTF-8");
  const decoded = decodeLine(text, reading.last);
  if (E.isLeft(decoded)) return failAt(reading, segment, decoded.left);
  const recorded = decoded.right;
  const start = reading.size;
  const end = start + line.length + 1;
  if (recorded.event.type === "SnapshotTaken") {
    reading.snapshot = { segment, start, end, recorded };
  }
  reading.events.push(recorded);
  reading.last = recorded;
  reading.size = end;
}

/** Takes what follows the last line break of a segment: a torn line, or damage. */
function takeRest(reading: Reading, segment: string, { bytes, tooLong }: Rest): void {
  if (segment !== reading.segment) {
    failDamaged(reading, segment, "expected a line feed, found the end of the segment");
  }
  if (tooLong) {
    failDamaged(reading, segment, `expected at most ${LONGEST_LINE} bytes, found a longer line`);
  }
  if (isWhole(bytes.subarray(0, -1), reading.last)) {
    const found = `0x${bytes.at(-1)!.toString(16).padStart(2, "0")}`;
    failDamaged(reading, segment, `expected a line feed at its end, found the byte ${found}`);
  }
  const position = positionAfter(reading.last);
  reading.torn = { position, bytes: bytes.length, place: placeInWords(segment, position) };
}

/** Whether bytes are an envelope that follows `last`, or one of a format that is not known. */
function isWhole(bytes: Uint8Array, last: RecordedEvent | undefined): boolean {
  const text = decodeUtf8(bytes);
  if (text === undefined) return false;
  const decoded = decodeLine(text, last);
  return E.isRight(decoded) || decoded.left.type === "NewerFormat";
}

function failDamaged(reading: Reading, segment: string, reason: string): never {
  return failAt(reading, segment, { type: "Damaged", reason });
}

function failAt({ run, last }: Reading, segment: string, error: LineError): never {
  const position = positionAfter(last);
  const place = placeInWords(segment, position);
  const failure: LogError = error.type === "Damaged"
    ? { type: "LogDamaged", run, position, place, reason: error.reason }
    : { type: "NewerLog", run, place, found: error.found, known: error.known };
  return fail(failure);
}
