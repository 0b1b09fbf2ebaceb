import * as E from "fp-ts/Either.js";
import * as t from "io-ts";
import type { Digest } from "../core/digest.ts";
import type { RunEvent } from "../core/event.ts";
import { EVENT_FORMAT, type RecordedEvent } from "../core/recorded_event.ts";
import { apart } from "./apart.ts";
import { isCanonicalJson, parseJson } from "./canonical_json.ts";
import { count, decode, digest, object, positive, time } from "./decoders.ts";
import { sha256 } from "./digest.ts";
import { decodeEvent, eventText } from "./event_codec.ts";
import { writeString } from "./json_writer.ts";

/** What stands for the digest of the envelope before a run's first. */
export const GENESIS: Digest = "0".repeat(64);

/** Longest line that is written or read, in UTF-16 code units. */
export const MAX_LINE = 16 * 2 ** 20;

/** What the writer adds to an event. */
export interface Stamp {
  readonly recordedAt: string;
  readonly session: number;
}

/** An envelope, and the line of the log that it is: canonical JSON without the line break. */
export interface SealedLine {
  readonly recorded: RecordedEvent;
  readonly line: string;
}

/** Why a line of a log is not the envelope that belongs at its position. */
export type LineError =
  | { readonly type: "Damaged"; readonly reason: string }
  | { readonly type: "NewerFormat"; readonly found: number; readonly known: number };

const envelope = object({
  format: positive,
  position: count,
  recordedAt: time,
  session: positive,
  previousDigest: digest,
  digest,
  event: t.unknown,
});

/** Puts an event in its envelope, chained to the envelope before it (undefined for a run's first). */
export function seal(
  previous: RecordedEvent | undefined,
  event: RunEvent,
  stamp: Stamp,
): RecordedEvent {
  return sealLine(previous, event, stamp).recorded;
}

/**
 * The envelope of {@linkcode seal} and its line, for which everything is written once.
 *
 * @throws RangeError for an event so long that no reader would take its line.
 */
export function sealLine(
  previous: RecordedEvent | undefined,
  event: RunEvent,
  stamp: Stamp,
): SealedLine {
  const body = {
    format: EVENT_FORMAT,
    position: previous === undefined ? 0 : previous.position + 1,
    recordedAt: stamp.recordedAt,
    session: stamp.session,
    previousDigest: previous?.digest ?? GENESIS,
    event,
  };
  const text = bodyText(body);
  const digest = sha256(text);
  const line = lineOf(digest, text);
  if (line.length > MAX_LINE) {
    throw new RangeError(
      `Cannot write a ${event.type}: expected a line of at most ${MAX_LINE} UTF-16 code units, ` +
        `found ${line.length}`,
    );
  }
  return { recorded: { ...body, digest }, line };
}

/** The envelope as one line of canonical JSON, without the line break. */
export function encodeLine(recorded: RecordedEvent): string {
  return lineOf(recorded.digest, bodyText(recorded));
}

/**
 * Reads one line and checks everything that can be known of it: canonical form, digest, and that it
 * follows `previous` (undefined for a run's first line).
 */
export function decodeLine(
  line: string,
  previous: RecordedEvent | undefined,
): E.Either<LineError, RecordedEvent> {
  const recorded = decodeEnvelope(line);
  return E.isLeft(recorded) ? recorded : checkLink(recorded.right, previous);
}

/** Reads one line and checks what can be known of it alone: canonical form and digest. */
export function decodeEnvelope(line: string): E.Either<LineError, RecordedEvent> {
  const whole = readWhole(line);
  return whole === undefined ? readWithCare(line) : E.right(whole);
}

const LONGEST_WHOLE = 2 ** 16;

/**
 * The envelope of a line that is exactly what `encodeLine` writes for it, its digest included;
 * undefined for any other line, which is then read with care to say what is wrong with it.
 *
 * A short text cannot hurt `JSON.parse`, and what it misreads, or a careful reader refuses, is not
 * written as the same text again.
 */
function readWhole(line: string): RecordedEvent | undefined {
  if (line.length > LONGEST_WHOLE) return undefined;
  try {
    const recorded = decodeParts(JSON.parse(line));
    if (E.isLeft(recorded)) return undefined;
    const text = bodyText(recorded.right);
    return lineOf(sha256(text), text) === line ? recorded.right : undefined;
  } catch {
    return undefined;
  }
}

function readWithCare(line: string): E.Either<LineError, RecordedEvent> {
  const json = parseJson(line, { maxLength: MAX_LINE });
  if (E.isLeft(json)) return damaged(`not JSON: ${json.left.reason}`);
  const format = (json.right as { format?: unknown } | null)?.format;
  if (typeof format === "number" && Number.isSafeInteger(format) && format > EVENT_FORMAT) {
    return E.left({ type: "NewerFormat", found: format, known: EVENT_FORMAT });
  }
  if (!isCanonicalJson(line, json.right)) {
    return damaged("expected canonical JSON, found another form");
  }
  const recorded = decodeParts(json.right);
  if (E.isLeft(recorded)) return damaged(recorded.left);
  const { digest: claimed } = recorded.right;
  const actual = sha256(bodyText(recorded.right));
  if (claimed === actual) return recorded;
  const [expected, found] = apart(actual, claimed);
  return damaged(`expected digest ${expected}, found ${found}`);
}

function decodeParts(json: unknown): E.Either<string, RecordedEvent> {
  const outer = decode(envelope, json);
  if (E.isLeft(outer)) return outer;
  const event = decodeEvent(outer.right.event);
  return E.isLeft(event) ? event : E.right({ ...outer.right, event: event.right });
}

function checkLink(
  recorded: RecordedEvent,
  previous: RecordedEvent | undefined,
): E.Either<LineError, RecordedEvent> {
  const position = previous === undefined ? 0 : previous.position + 1;
  const before = previous?.digest ?? GENESIS;
  if (recorded.position !== position) {
    return damaged(`expected position ${position}, found ${recorded.position}`);
  }
  if (recorded.previousDigest !== before) {
    const [expected, found] = apart(before, recorded.previousDigest);
    return damaged(`expected to follow the envelope ${expected}, found ${found}`);
  }
  return E.right(recorded);
}

/** The canonical JSON of an envelope without its digest: members in sorted order. */
function bodyText(body: Omit<RecordedEvent, "digest">): string {
  const { event, format, position, previousDigest, recordedAt, session } = body;
  return `{"event":${eventText(event)},"format":${format},"position":${position},` +
    `"previousDigest":"${previousDigest}","recordedAt":${writeString(recordedAt)},` +
    `"session":${session}}`;
}

/** The line of an envelope: `digest` sorts before the other members. */
function lineOf(digest: Digest, body: string): string {
  return `{"digest":"${digest}",${body.slice(1)}`;
}

function damaged(reason: string): E.Either<LineError, never> {
  return E.left({ type: "Damaged", reason });
}
