import * as E from "fp-ts/Either.js";
import { type SealedLine, sealLine, type Stamp } from "../../codec/envelope_codec.ts";
import type { Durability } from "../../core/durability.ts";
import type { RunEvent } from "../../core/event.ts";
import { evolve } from "../../core/evolve.ts";
import type { RecordedEvent } from "../../core/recorded_event.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunState } from "../../core/run_state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { LogError, LogWriter } from "../../ports/event_log.ts";
import { foldOf } from "../../ports/fold_log.ts";
import { groupCommit, type Outcome } from "./group_commit.ts";
import { guardedLog } from "./guarded_log.ts";
import { positionAfter } from "./log_reader.ts";
import type { LinePlace } from "./log_segment.ts";
import { contentsOf, type RecentLog } from "./recent_log.ts";
import type { RunLock } from "./run_lock.ts";
import type { SegmentWriter } from "./segment_writer.ts";
import { saveStateCache } from "./state_cache.ts";

/** What a writer writes with; it owns the lock and the segments until it is closed. */
export interface LogWriterParts {
  readonly run: RunId;
  /** The run's directory. */
  readonly directory: string;
  /** What the log held when it was opened. */
  readonly recent: RecentLog;
  readonly segments: SegmentWriter;
  readonly lock: RunLock;
  readonly durability: Durability;
  readonly clock: Clock;
}

/** The writer of a run: seals events in the order of the appends, and commits them in groups. */
export function logWriter(parts: LogWriterParts): LogWriter {
  const { run, directory, recent, segments, lock, durability, clock } = parts;
  const contents = contentsOf(recent);
  const session = (recent.last?.session ?? 0) + 1;
  let last = recent.last; // sealed, durable or on its way
  let durable = foldOf(contents);
  let saving: Promise<void> = Promise.resolve();
  let closing: Promise<Outcome> | undefined;

  const group = groupCommit<SealedLine>(
    durability,
    (lines) => guardedLog("append to the log", directory, () => write(lines)),
  );

  async function write(lines: readonly SealedLine[]): Promise<void> {
    const snapshot = await segments.append(lines);
    for (const { recorded } of lines) {
      durable = evolve(durable, recorded.event);
      if (recorded === snapshot?.recorded) save(snapshot, durable);
    }
  }

  /** One after the other, so that an older state never takes the place of a newer one. */
  function save(place: LinePlace, state: RunState): void {
    saving = saving.then(() => saveStateCache(directory, place, state))
      .catch(() => undefined); // it is derived: without it the log is read from an earlier place
  }

  async function append(
    events: readonly RunEvent[],
    expectedVersion: number,
  ): Promise<E.Either<LogError, readonly RecordedEvent[]>> {
    const refusal = group.failure() ?? (closing && closedWriter(directory));
    if (refusal !== undefined) return E.left(refusal);
    const actual = positionAfter(last);
    if (actual !== expectedVersion) {
      return E.left({ type: "VersionConflict", run, expected: expectedVersion, actual });
    }
    if (events.length === 0) return E.right([]);
    const lines = sealAll(last, events, { recordedAt: clock.now(), session });
    const recorded = lines.map((line) => line.recorded);
    last = recorded.at(-1);
    const outcome = await group.add(lines);
    return E.isLeft(outcome) ? outcome : E.right(recorded);
  }

  async function close(): Promise<Outcome> {
    const wasTold = group.failure() !== undefined; // by the append that failed
    try {
      const outcome = await group.flush();
      await saving;
      return wasTold ? E.right(undefined) : outcome;
    } finally {
      segments.close();
      lock.release();
    }
  }

  return {
    contents,
    durability,
    append: (events, expectedVersion) => () => append(events, expectedVersion),
    flush: () => () => group.flush(),
    close: () => () => closing ??= close(),
  };
}

function sealAll(
  last: RecordedEvent | undefined,
  events: readonly RunEvent[],
  stamp: Stamp,
): readonly SealedLine[] {
  let previous = last;
  return events.map((event) => {
    const sealed = sealLine(previous, event, stamp);
    previous = sealed.recorded;
    return sealed;
  });
}

function closedWriter(place: string): LogError {
  const reason = "the log was closed: open the run again";
  return { type: "LogUnavailable", action: "append to the log", place, reason };
}
