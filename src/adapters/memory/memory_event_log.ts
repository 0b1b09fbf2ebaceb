import * as TE from "fp-ts/TaskEither.js";
import { encodeLine, seal } from "../../codec/envelope_codec.ts";
import { everyStep } from "../../core/durability.ts";
import { initialState } from "../../core/evolve.ts";
import type { RecordedEvent } from "../../core/recorded_event.ts";
import type { RunId } from "../../core/run_id.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EventLog, LogContents, LogError, LogWriter } from "../../ports/event_log.ts";
import { systemClock } from "../system/system_clock.ts";

/** An event log that lives as long as the process: for tests and experiments. */
export function memoryEventLog(clock: Clock = systemClock): EventLog {
  const streams = new Map<RunId, RecordedEvent[]>();
  const held = new Set<RunId>();
  const archived: (readonly RecordedEvent[])[] = [];
  return {
    runs: () => TE.fromIO(() => [...streams.keys()].sort()),
    read: (run) => TE.fromIO(() => whole(streams.get(run))),
    recent: (run) => TE.fromIO(() => whole(streams.get(run))),
    open: (run) => async () => {
      if (held.has(run)) return TE.left(locked(run))();
      held.add(run);
      return await TE.right(writer(streams, held, run, clock))();
    },
    bytes: (run) => TE.fromIO(() => bytesOf(streams.get(run) ?? [])),
    archive: (run) => async () => {
      if (held.has(run)) return TE.left(locked(run))();
      archived.push(streams.get(run) ?? []);
      streams.delete(run);
      return await TE.right(`archive/${archived.length}/${run}`)();
    },
    archived: (_extent) => TE.fromIO(() => archived.map(whole)),
    checkDerived: () => TE.right([]),
    rebuildDerived: () => TE.right([]),
  };
}

function writer(
  streams: Map<RunId, RecordedEvent[]>,
  held: Set<RunId>,
  run: RunId,
  clock: Clock,
): LogWriter {
  const opened = [...streams.get(run) ?? []];
  const session = (opened.at(-1)?.session ?? 0) + 1;
  let closed = false;
  return {
    contents: whole(opened),
    durability: everyStep,
    flush: () => TE.right(undefined),
    append: (events, expectedVersion) => async () => {
      if (closed) return TE.left(closedWriter(run))();
      const stream = streams.get(run) ?? [];
      if (stream.length !== expectedVersion) {
        const actual = stream.length;
        return TE.left(
          { type: "VersionConflict", run, expected: expectedVersion, actual } as const,
        )();
      }
      const stamp = { recordedAt: clock.now(), session };
      const recorded: RecordedEvent[] = [];
      for (const event of events) {
        recorded.push(seal(recorded.at(-1) ?? stream.at(-1), event, stamp));
      }
      stream.push(...recorded);
      if (stream.length > 0) streams.set(run, stream);
      return await TE.right(recorded)();
    },
    close: () => async () => {
      if (!closed) held.delete(run);
      closed = true;
      return await TE.right(undefined)();
    },
  };
}

function whole(events: readonly RecordedEvent[] = []): LogContents {
  const [first, last] = [events[0], events.at(-1)];
  return {
    base: initialState,
    events: [...events],
    ...(first && last && { ends: { first, last } }),
  };
}

/** As a file would have them: a line each. */
function bytesOf(events: readonly RecordedEvent[]): number {
  const encoder = new TextEncoder();
  return events.reduce((sum, event) => sum + encoder.encode(encodeLine(event)).length + 1, 0);
}

function closedWriter(run: RunId): LogError {
  const reason = "the log was closed: open the run again";
  return { type: "LogUnavailable", action: "append to the log", place: run, reason };
}

function locked(run: RunId): LogError {
  return { type: "RunLocked", run, holder: "another writer in this process" };
}
