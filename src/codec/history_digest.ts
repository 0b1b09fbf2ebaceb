import type { Digest } from "../core/digest.ts";
import { isComputation, type RunEvent } from "../core/event.ts";
import { canonicalJson } from "./canonical_json.ts";
import { sha256 } from "./digest.ts";
import { encodeEvent } from "./event_codec.ts";

/** The history of which nothing is recorded. */
export const NO_HISTORY: Digest = "0".repeat(64);

/**
 * The digest of a history that goes on with `event`; events that are no computation leave it as it is, and
 * a rewind brings an earlier one back.
 *
 * A chain over events without their envelopes, so that equal trainings have equal histories whenever
 * and in however many sessions they were computed: docs/format.md.
 */
export function historyDigest(before: Digest, event: RunEvent): Digest {
  if (event.type === "RunRewound") return event.data.history;
  if (!isComputation(event)) return before;
  return sha256(before, "\n", canonicalJson(encodeEvent(withoutCode(event))));
}

/** The code that computes is known by what it computes: an edit of a comment is no other history. */
function withoutCode(event: RunEvent): RunEvent {
  if (event.type !== "RunStarted") return event;
  const { code: _, ...data } = event.data;
  return { ...event, data };
}
