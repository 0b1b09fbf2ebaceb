import type { Digest } from "./digest.ts";
import type { RunEvent } from "./event.ts";

/** The version of the envelope and of the events in it that this foldlog writes. */
export const EVENT_FORMAT = 2;

/**
 * An event in its envelope, as the log keeps it.
 *
 * What is not reproducible stays out of `event` and in the envelope, so that two runs of the same
 * training have equal events, byte for byte.
 */
export interface RecordedEvent {
  /** Format version of this line: a run may be continued by a later foldlog. */
  readonly format: number;
  /** 0 for the run's first event, then one more for each. */
  readonly position: number;
  /** When it was recorded: ISO 8601, UTC, milliseconds. Informative only: nothing is ordered by it. */
  readonly recordedAt: string;
  /** How many processes have written to this run, the one that wrote this event included. */
  readonly session: number;
  /** Digest of the envelope before; of nothing (64 zeros) at position 0. */
  readonly previousDigest: Digest;
  /** SHA-256 of this envelope's canonical JSON without the member `digest`. */
  readonly digest: Digest;
  readonly event: RunEvent;
}
