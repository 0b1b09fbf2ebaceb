import * as E from "fp-ts/Either.js";
import { decodeLine } from "../codec/envelope_codec.ts";
import type { RecordedEvent } from "../core/recorded_event.ts";
import type { RunId } from "../core/run_id.ts";
import type { LogError, TornTail } from "../ports/event_log.ts";

/** A segment file of a log. */
export interface Segment {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What the segments of a log hold. */
export interface SegmentContents {
  readonly events: readonly RecordedEvent[];
  readonly torn?: TornTail;
}

/** Ends every line of a segment. */
export const LINE_BREAK = 10;

/** Reads a log's segments, in order; only the last may end in a torn line. */
export function readSegments(
  run: RunId,
  segments: readonly Segment[],
): E.Either<LogError, SegmentContents> {
  const events: RecordedEvent[] = [];
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for (const [index, { name, bytes }] of segments.entries()) {
    let start = 0;
    for (let number = 1; start < bytes.length; number++) {
      const place = `${name} line ${number}`;
      const end = bytes.indexOf(LINE_BREAK, start);
      if (end < 0 && index === segments.length - 1) {
        const torn = { position: events.length, bytes: bytes.length - start, place };
        return E.right({ events, torn });
      }
      const line = bytes.subarray(start, end < 0 ? bytes.length : end);
      const recorded = readLine(decoder, line, events.at(-1));
      if (E.isLeft(recorded)) return E.left(toLogError(run, events.length, place, recorded.left));
      events.push(recorded.right);
      start = end < 0 ? bytes.length : end + 1;
    }
  }
  return E.right({ events });
}

function readLine(
  decoder: TextDecoder,
  line: Uint8Array,
  previous: RecordedEvent | undefined,
): ReturnType<typeof decodeLine> {
  try {
    return decodeLine(decoder.decode(line), previous);
  } catch (error) {
    if (error instanceof TypeError) return E.left({ type: "Damaged", reason: "not UTF-8" });
    throw error;
  }
}

function toLogError(
  run: RunId,
  position: number,
  place: string,
  error: Extract<ReturnType<typeof decodeLine>, { _tag: "Left" }>["left"],
): LogError {
  if (error.type === "Damaged") {
    return { type: "LogDamaged", run, position, place, reason: error.reason };
  }
  return { type: "NewerLog", run, place, found: error.found, known: error.known };
}
