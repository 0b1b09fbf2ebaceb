import * as E from "fp-ts/Either.js";
import * as t from "io-ts";
import type { Digest } from "../core/digest.ts";
import type { RunEvent } from "../core/event.ts";
import type { Json } from "../core/json.ts";
import { EVENT_FORMAT, type RecordedEvent } from "../core/recorded_event.ts";
import { canonicalJson, isCanonicalJson, parseJson } from "./canonical_json.ts";
import { count, decode, digest, object, positive, time } from "./decoders.ts";
import { sha256 } from "./digest.ts";
import { decodeEvent, encodeEvent } from "./event_codec.ts";

/** What stands for the digest of the envelope before a run's first. */
export const GENESIS: Digest = "0".repeat(64);

/** What the writer adds to an event. */
export interface Stamp {
  readonly recordedAt: string;
  readonly session: number;
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
  const body = {
    format: EVENT_FORMAT,
    position: previous === undefined ? 0 : previous.position + 1,
    recordedAt: stamp.recordedAt,
    session: stamp.session,
    previousDigest: previous?.digest ?? GENESIS,
    event,
  };
  return { ...body, digest: digestOf(body) };
}

/** The envelope as one line of canonical JSON, without the line break. */
export function encodeLine(recorded: RecordedEvent): string {
  return canonicalJson({ ...recorded, event: encodeEvent(recorded.event) } as unknown as Json);
}

/**
 * Reads one line and checks everything that can be known of it: canonical form, digest, and that it
 * follows `previous` (undefined for a run's first line).
 */
export function decodeLine(
  line: string,
  previous: RecordedEvent | undefined,
): E.Either<LineError, RecordedEvent> {
  const json = parseJson(line);
  if (E.isLeft(json)) return damaged(`not JSON: ${json.left.reason}`);
  const format = (json.right as { format?: unknown } | null)?.format;
  if (typeof format === "number" && format > EVENT_FORMAT) {
    return E.left({ type: "NewerFormat", found: format, known: EVENT_FORMAT });
  }
  if (!isCanonicalJson(line, json.right)) {
    return damaged("expected canonical JSON, found another form");
  }
  const outer = decode(envelope, json.right);
  if (E.isLeft(outer)) return damaged(outer.left);
  const event = decodeEvent(outer.right.event);
  if (E.isLeft(event)) return damaged(event.left);
  const recorded = { ...outer.right, event: event.right };
  return checkLink(recorded, previous);
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
    return damaged(
      `expected to follow the envelope ${before.slice(0, 12)}, found ${
        recorded.previousDigest.slice(0, 12)
      }`,
    );
  }
  const { digest: claimed, ...body } = recorded;
  const actual = digestOf(body);
  if (claimed !== actual) {
    return damaged(`expected digest ${actual.slice(0, 12)}, found ${claimed.slice(0, 12)}`);
  }
  return E.right(recorded);
}

function digestOf(body: Omit<RecordedEvent, "digest">): Digest {
  return sha256(canonicalJson({ ...body, event: encodeEvent(body.event) } as unknown as Json));
}

function damaged(reason: string): E.Either<LineError, never> {
  return E.left({ type: "Damaged", reason });
}
