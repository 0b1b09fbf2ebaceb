import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import * as TE from "fp-ts/TaskEither.js";
import { appenderOf } from "../../src/app/training/log_appender.ts";
import { everyStep } from "../../src/core/durability.ts";
import type { Durability } from "../../src/core/durability.ts";
import type { RunEvent } from "../../src/core/event.ts";
import { initialState } from "../../src/core/evolve.ts";
import { attempt } from "../../src/ports/attempt.ts";
import type { LogError, LogWriter } from "../../src/ports/event_log.ts";

const completed: RunEvent = { type: "RunCompleted", data: { step: 1 } };
const inGroups: Durability = { type: "every-ms", milliseconds: 1000 };
const full: LogError = { type: "LogUnavailable", action: "append", place: "a", reason: "full" };

Deno.test("append() counts on from what the log held, events before its base included", async () => {
  const { writer, versions } = writerAt(7, everyStep);
  const { append } = appenderOf(writer);
  await append([completed, completed]);
  await append([completed]);
  assert.deepEqual(versions, [7, 9]);
});

Deno.test("append() waits until the events are durable, unless the log commits in groups", async () => {
  for (const durability of [everyStep, inGroups]) {
    const { writer, settle } = writerAt(0, durability, true);
    let waited = true;
    const appended = appenderOf(writer).append([completed]).then(() => void (waited = false));
    await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(waited, durability === everyStep);
    settle();
    await appended;
  }
});

Deno.test("a failure of an append that nobody waited for comes with the next call", async () => {
  const { writer, settle } = writerAt(0, inGroups, true, E.left(full));
  const log = appenderOf(writer);
  await log.append([completed]);
  settle();
  await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(await failureOf(() => log.append([completed])), full);
  assert.deepEqual(await failureOf(() => log.flush()), full);
});

Deno.test("flush() waits for all that was appended, and tells of its failure", async () => {
  const { writer, settle, flushes } = writerAt(0, inGroups, true, E.left(full));
  const log = appenderOf(writer);
  await log.append([completed]);
  const flushed = failureOf(() => log.flush());
  await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(flushes(), 1);
  settle();
  assert.deepEqual(await flushed, full);
});

/** A writer that notes the versions that it is given, and answers when `settle` is called. */
function writerAt(
  version: number,
  durability: Durability,
  waits = false,
  answer: E.Either<LogError, readonly []> = E.right([]),
) {
  const versions: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  if (!waits) resolve();
  let flushes = 0;
  const writer: LogWriter = {
    contents: { base: { ...initialState, version }, events: [] },
    durability,
    append: (_events, expectedVersion) => async () => {
      versions.push(expectedVersion);
      await promise;
      return answer;
    },
    flush: () => {
      flushes++;
      return TE.right(undefined);
    },
    close: () => TE.right(undefined),
  };
  return { writer, versions, settle: resolve, flushes: () => flushes };
}

async function failureOf(work: () => Promise<void>): Promise<LogError> {
  const result = await attempt<LogError, void>(work)();
  assert.ok(E.isLeft(result), "expected a failure");
  return result.left;
}
