import type { CodeIdentity } from "../../codec/code_identity.ts";
import type { RunEvent } from "../../core/event.ts";
import type { Await } from "../../ports/attempt.ts";
import type { SourceStore } from "../../ports/source_store.ts";
import type { RunError } from "../errors/errors.ts";
import type { LogAppender } from "./log_appender.ts";

/**
 * Appends by `log`; code that an event names is durable before the event is appended, and nothing collects it
 * in between. Fails with SourcesUnavailable, and appends nothing, where it cannot be stored.
 */
export function storingCode(
  log: LogAppender,
  sources: SourceStore,
  code: CodeIdentity | undefined,
  get: Await<RunError>,
): LogAppender {
  if (code === undefined) return log;

  async function append(events: readonly RunEvent[]): Promise<void> {
    if (!events.some((event) => "code" in event.data && event.data.code === code?.digest)) {
      return await log.append(events);
    }
    const { release } = await get(sources.put(code!.objects));
    try {
      await log.append(events);
      await log.flush();
    } finally {
      release();
    }
  }

  return { ...log, append };
}
