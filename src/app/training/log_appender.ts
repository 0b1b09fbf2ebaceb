import * as E from "fp-ts/Either.js";
import type { RunEvent } from "../../core/event.ts";
import { fail } from "../../ports/attempt.ts";
import type { LogError, LogWriter } from "../../ports/event_log.ts";

/** Appends to a run's log for a training. */
export interface LogAppender {
  /**
   * Appends events. Waits until they are durable, unless the log commits in groups: then a failure
   * comes with a later call.
   */
  readonly append: (events: readonly RunEvent[]) => Promise<void>;
  /** Waits until all that was appended is durable. */
  readonly flush: () => Promise<void>;
}

/** Appends to `writer` from the end of what it held when it was opened. Fails with LogErrors. */
export function appenderOf(writer: LogWriter): LogAppender {
  const { base, events } = writer.contents;
  const waits = writer.durability.type === "every-step";
  let version = base.version + events.length;
  let underWay: Promise<void> = Promise.resolve();
  let failure: LogError | undefined;

  function stopAtFailure(): void {
    if (failure !== undefined) fail(failure);
  }

  async function append(added: readonly RunEvent[]): Promise<void> {
    stopAtFailure();
    const written = writer.append(added, version)();
    version += added.length;
    underWay = written.then((result) => {
      if (E.isLeft(result)) failure ??= result.left;
    });
    if (!waits) return;
    await underWay;
    stopAtFailure();
  }

  async function flush(): Promise<void> {
    const flushed = await writer.flush()();
    await underWay; // in order: when the last append is settled, all are
    stopAtFailure();
    if (E.isLeft(flushed)) fail(flushed.left);
  }

  return { append, flush };
}
