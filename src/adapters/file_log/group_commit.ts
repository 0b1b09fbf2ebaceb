import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import type { Durability } from "../../core/durability.ts";
import type { LogError } from "../../ports/event_log.ts";

/** Whether what was added is durable. */
export type Outcome = E.Either<LogError, void>;

/** Collects entries and makes them durable, in their order, many at once. */
export interface GroupCommit<Entry> {
  /** Why nothing more is accepted, where an earlier write failed. */
  readonly failure: () => LogError | undefined;
  /** Adds entries at once; the promise resolves when they are durable, or never will be. */
  readonly add: (entries: readonly Entry[]) => Promise<Outcome>;
  /** Makes all that was added durable without further waiting. */
  readonly flush: () => Promise<Outcome>;
}

const ACTION = "append to the log";

/** Entries that become durable together. */
interface Batch<Entry> {
  readonly entries: Entry[];
  readonly done: Promise<Outcome>;
  readonly settle: (outcome: Outcome) => void;
  readonly reject: (defect: unknown) => void;
}

/**
 * A group commit over `write`, of which one is under way at a time.
 *
 * With "every-step" a write begins as soon as none is under way, with "every-ms" so long after the
 * first entry that it holds. After a write that failed nothing is written any more.
 */
export function groupCommit<Entry>(
  durability: Durability,
  write: (entries: readonly Entry[]) => TaskEither<LogError, void>,
): GroupCommit<Entry> {
  let filling: Batch<Entry> | undefined;
  let writing: Batch<Entry> | undefined;
  let due = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failure: LogError | undefined;

  function add(entries: readonly Entry[]): Promise<Outcome> {
    if (failure !== undefined) return Promise.resolve(E.left(failure));
    filling ??= newBatch();
    const { done } = filling;
    for (const entry of entries) filling.entries.push(entry);
    if (durability.type === "every-step") start();
    else timer ??= setTimeout(start, durability.milliseconds);
    return done;
  }

  function flush(): Promise<Outcome> {
    if (failure !== undefined) return Promise.resolve(E.left(failure));
    const { done } = filling ?? writing ?? { done: Promise.resolve(E.right(undefined)) };
    start();
    return done;
  }

  function start(): void {
    clearTimeout(timer);
    timer = undefined;
    due = filling !== undefined;
    if (writing === undefined) void writeDue();
  }

  async function writeDue(): Promise<void> {
    while (due && filling !== undefined) {
      due = false;
      writing = filling;
      filling = undefined;
      try {
        const outcome = await write(writing.entries)();
        if (E.isLeft(outcome)) stop(outcome.left);
        writing.settle(outcome);
      } catch (defect) {
        stop({ type: "LogUnavailable", action: ACTION, place: "this run", reason: String(defect) });
        writing.reject(defect);
      }
    }
    writing = undefined;
  }

  /** Nobody knows what is in the file now: nothing must be written after it. */
  function stop(cause: LogError): void {
    failure = refusal(cause);
    clearTimeout(timer);
    filling?.settle(E.left(failure));
    filling = undefined;
  }

  return { failure: () => failure, add, flush };
}

function newBatch<Entry>(): Batch<Entry> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  return { entries: [], done: promise, settle: resolve, reject };
}

function refusal(cause: LogError): LogError {
  if (cause.type !== "LogUnavailable") return cause;
  const reason = `an earlier append failed (${cause.reason}): open the run again`;
  return { ...cause, reason };
}
