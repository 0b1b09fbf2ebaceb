import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { describeLogError } from "../app/errors/describe_error.ts";
import type { RunEvent } from "../core/event.ts";
import type { RecordedEvent } from "../core/recorded_event.ts";
import type { RunId } from "../core/run_id.ts";
import type { EventLog, LogContents, LogError } from "../ports/event_log.ts";

/** Appends events to a run by a writer of its own. */
export async function record(
  log: EventLog,
  run: RunId,
  events: readonly RunEvent[],
): Promise<readonly RecordedEvent[]> {
  const writer = await right(log.open(run));
  const appended = await right(writer.append(events, versionOf(writer.contents)));
  await right(writer.close());
  return appended;
}

/** The events that a log has of a run. */
export async function eventsOf(log: EventLog, run: RunId): Promise<readonly RunEvent[]> {
  return (await right(log.read(run))).events.map(({ event }) => event);
}

/** The answer; throws for an error. */
export async function right<A>(work: TaskEither<LogError, A>): Promise<A> {
  const result = await work();
  if (E.isRight(result)) return result.right;
  throw new Error(`Expected an answer, found an error: ${describeLogError(result.left)}`);
}

/** The error; throws for an answer. */
export async function left(work: TaskEither<LogError, unknown>): Promise<LogError> {
  const result = await work();
  if (E.isLeft(result)) return result.left;
  throw new Error(`Expected an error, found an answer: ${JSON.stringify(result.right)}`);
}

/** How many events a run has. */
export function versionOf({ base, events }: LogContents): number {
  return base.version + events.length;
}
