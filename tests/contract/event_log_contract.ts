import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { describeLogError } from "../../src/app/describe_error.ts";
import { GENESIS } from "../../src/codec/envelope_codec.ts";
import { defaultConfig } from "../../src/core/config.ts";
import type { RunEvent } from "../../src/core/event.ts";
import type { RecordedEvent } from "../../src/core/recorded_event.ts";
import type { RunId } from "../../src/core/run_id.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { EventLog, LogError } from "../../src/ports/event_log.ts";

/** An event log that is empty at first. */
export interface LogFixture extends AsyncDisposable {
  readonly log: EventLog;
  /** The same log as a new process would open it; absent where it ends with its process. */
  readonly reopen?: () => EventLog;
}

/** Makes a fresh log that takes its times from `clock`. */
export type MakeLog = (clock: Clock) => Promise<LogFixture>;

/** Registers what every event log must do, as tests of the adapter `name`. */
export function eventLogContract(name: string, make: MakeLog): void {
  function claim(text: string, check: (fixture: LogFixture, clock: SetClock) => Promise<void>) {
    Deno.test(`${name}: ${text}`, async () => {
      const clock = setClock();
      await using fixture = await make(clock);
      await check(fixture, clock);
    });
  }

  claim("append() resolves with the envelopes that read() then gives", async ({ log }) => {
    const appended = await record(log, "a", [started, stepTaken(1)]);
    assert.deepEqual(appended.map(({ event }) => event), [started, stepTaken(1)]);
    const { events, torn } = await right(log.read("a"));
    assert.deepEqual(events, appended);
    assert.equal(torn, undefined);
  });

  claim("positions count from 0 and each envelope names the one before", async ({ log }) => {
    const writer = await right(log.open("a"));
    await right(writer.append([started], 0));
    await right(writer.append([stepTaken(1), stepTaken(2)], 1));
    await right(writer.append([stepTaken(3)], 3));
    await right(writer.close());
    const { events } = await right(log.read("a"));
    assert.deepEqual(events.map(({ position }) => position), [0, 1, 2, 3]);
    assert.deepEqual(
      events.map(({ previousDigest }) => previousDigest),
      [GENESIS, ...events.slice(0, 3).map(({ digest }) => digest)],
    );
    assert.equal(new Set(events.map(({ digest }) => digest)).size, 4);
  });

  claim("an append of several events keeps all of them, in order", async ({ log }) => {
    const events = [started, ...Array.from({ length: 500 }, (_, index) => stepTaken(index + 1))];
    await record(log, "a", events);
    assert.deepEqual(await eventsOf(log, "a"), events);
  });

  claim("an append of nothing changes nothing", async ({ log }) => {
    const writer = await right(log.open("a"));
    assert.deepEqual(await right(writer.append([], 0)), []);
    assert.deepEqual(await right(log.runs()), []);
    await right(writer.append([started], 0));
    assert.deepEqual(await right(writer.append([], 1)), []);
    await right(writer.append([stepTaken(1)], 1));
    await right(writer.close());
    assert.deepEqual(await eventsOf(log, "a"), [started, stepTaken(1)]);
  });

  for (const expectedVersion of [0, 1, 3, 1000]) {
    claim(
      `a wrong expectedVersion (${expectedVersion}, not 2) is a VersionConflict and writes nothing`,
      async ({ log }) => {
        const writer = await right(log.open("a"));
        const before = await right(writer.append([started, stepTaken(1)], 0));
        assert.deepEqual(await left(writer.append([stepTaken(2)], expectedVersion)), {
          type: "VersionConflict",
          run: "a",
          expected: expectedVersion,
          actual: 2,
        });
        await right(writer.close());
        assert.deepEqual((await right(log.read("a"))).events, before);
      },
    );
  }

  claim("a new run's first append expects version 0", async ({ log }) => {
    const writer = await right(log.open("a"));
    assert.equal((await left(writer.append([started], 1))).type, "VersionConflict");
    await right(writer.close());
    assert.deepEqual(await right(log.runs()), []);
  });

  claim("a second open() of a run is RunLocked and says who holds it", async (fixture) => {
    const { log } = fixture;
    const writer = await right(log.open("a"));
    for (const other of [log, fixture.reopen?.() ?? log]) {
      const error = await left(other.open("a"));
      assert.ok(error.type === "RunLocked" && error.run === "a", JSON.stringify(error));
      assert.match(error.holder, /process/);
    }
    await right(writer.append([started], 0));
    await right(writer.close());
    assert.deepEqual(await eventsOf(log, "a"), [started]);
  });

  claim("a held run can be read, and other runs can be written", async ({ log }) => {
    const writer = await right(log.open("a"));
    await right(writer.append([started], 0));
    assert.deepEqual(await eventsOf(log, "a"), [started]);
    await record(log, "b", [started, stepTaken(1)]);
    await right(writer.append([stepTaken(1)], 1));
    await right(writer.close());
    assert.deepEqual(await eventsOf(log, "a"), [started, stepTaken(1)]);
    assert.deepEqual(await eventsOf(log, "b"), [started, stepTaken(1)]);
  });

  claim("after close() a run can be opened again and shows what it held", async ({ log }) => {
    const appended = await record(log, "a", [started, stepTaken(1)]);
    const writer = await right(log.open("a"));
    assert.deepEqual(writer.contents, { events: appended });
    await right(writer.append([stepTaken(2)], 2));
    assert.deepEqual(writer.contents.events, appended, "contents are those at open()");
    await right(writer.close());
    assert.deepEqual(await eventsOf(log, "a"), [started, stepTaken(1), stepTaken(2)]);
  });

  claim("a closed writer appends nothing", async ({ log }) => {
    const unused = await right(log.open("a"));
    await right(unused.close());
    const used = await right(log.open("b"));
    await right(used.append([started], 0));
    await right(used.close());
    await refused(() => unused.append([started], 0)());
    await refused(() => used.append([stepTaken(1)], 1)());
    assert.deepEqual(await eventsOf(log, "a"), []);
    assert.deepEqual(await eventsOf(log, "b"), [started]);
  });

  claim("closing a writer twice does not take the next writer's lease", async ({ log }) => {
    const first = await right(log.open("a"));
    await right(first.append([started], 0));
    await right(first.close());
    const second = await right(log.open("a"));
    await first.close()();
    assert.equal((await left(log.open("a"))).type, "RunLocked");
    await right(second.close());
  });

  claim("read() of an unknown run is empty and makes no run", async ({ log }) => {
    assert.deepEqual(await right(log.read("nobody")), { events: [] });
    assert.deepEqual(await right(log.runs()), []);
  });

  claim("runs() lists, sorted, the runs that have events", async ({ log }) => {
    assert.deepEqual(await right(log.runs()), []);
    for (const run of ["b", "a10", "a", "B", "a-2", "a9"]) await record(log, run, [started]);
    const opened = await right(log.open("opened"));
    await right(opened.close());
    assert.deepEqual(await right(log.runs()), ["B", "a", "a-2", "a10", "a9", "b"]);
  });

  claim("archive() moves a run out of the way, and its name is free again", async ({ log }) => {
    await record(log, "a", [started, stepTaken(1)]);
    await record(log, "a", [stepTaken(2)]);
    assert.notEqual(await right(log.archive("a")), "a");
    assert.deepEqual(await right(log.runs()), []);
    assert.deepEqual(await eventsOf(log, "a"), []);
    const [first] = await record(log, "a", [started]);
    assert.ok(first!.position === 0 && first!.session === 1);
    assert.deepEqual(await eventsOf(log, "a"), [started]);
  });

  claim("archive() destroys no other run, whatever its name", async ({ log }, clock) => {
    const others = ["a-2", "a-4", "a-6"];
    for (const run of others) await record(log, run, [started, stepTaken(1)]);
    for (let times = 1; times <= 3; times++) {
      clock.time = `2026-07-01T12:00:0${times}.000Z`;
      await record(log, "a", [started]);
      await right(log.archive("a"));
      for (const run of others) {
        assert.deepEqual(await eventsOf(log, run), [started, stepTaken(1)], run);
      }
    }
  });

  claim("archive() gives each run a name of its own, though the clock stands still", async (
    { log },
  ) => {
    const names = [];
    for (let times = 0; times < 3; times++) {
      await record(log, "a", [started]);
      names.push(await right(log.archive("a")));
    }
    assert.equal(new Set(names).size, 3, names.join());
  });

  claim(
    "archive() of a run that someone writes is RunLocked and moves nothing",
    async ({ log }) => {
      const writer = await right(log.open("a"));
      await right(writer.append([started], 0));
      assert.equal((await left(log.archive("a"))).type, "RunLocked");
      await right(writer.append([stepTaken(1)], 1));
      await right(writer.close());
      assert.deepEqual(await eventsOf(log, "a"), [started, stepTaken(1)]);
      await right(log.archive("a"));
    },
  );

  claim("the session number grows with each writer that appends", async (fixture) => {
    const { log } = fixture;
    await record(log, "a", [started, stepTaken(1)]);
    await record(log, "a", [stepTaken(2)]);
    await record(fixture.reopen?.() ?? log, "a", [stepTaken(3), stepTaken(4)]);
    const { events } = await right(log.read("a"));
    assert.deepEqual(events.map(({ session }) => session), [1, 1, 2, 3, 3]);
  });

  claim("recordedAt is the clock's, and a clock that jumps back changes nothing else", async (
    { log },
    clock,
  ) => {
    const times = ["2026-01-02T03:04:05.678Z", "2001-01-01T00:00:00.000Z"];
    for (const [index, time] of times.entries()) {
      clock.time = time;
      await record(log, "a", [index === 0 ? started : stepTaken(index)]);
    }
    const { events } = await right(log.read("a"));
    assert.deepEqual(events.map(({ recordedAt }) => recordedAt), times);
    assert.deepEqual(events.map(({ position }) => position), [0, 1]);
    assert.deepEqual(events.map(({ event }) => event), [started, stepTaken(1)]);
  });

  claim("events come back bit for bit: NaN, -0, infinities, any double", async ({ log }) => {
    const odd = [NaN, -0, 0, Infinity, -Infinity, 5e-324, -5e-324, 1.7976931348623157e308];
    const more = fc.sample(fc.double(), { numRuns: 200, seed: 42 });
    const events = [...odd, ...more].map((value, index) => stepTaken(index + 1, value));
    await record(log, "a", [started, ...events]);
    assert.deepEqual(await eventsOf(log, "a"), [started, ...events]);
  });

  claim("texts come back as they were, line breaks and quotes included", async ({ log }) => {
    const messages = [
      "",
      "\n",
      "\r\n",
      '"',
      "\\",
      "\u0000",
      "\u2028",
      "\u{1f9e0}",
      "\ufeff",
      "\x7f",
    ];
    const events = [...messages, messages.join("")].map((message): RunEvent => ({
      type: "RunFailed",
      data: { step: 0, message },
    }));
    await record(log, "a", [started, ...events]);
    assert.deepEqual(await eventsOf(log, "a"), [started, ...events]);
  });

  claim("every type of event comes back as it was", async ({ log }) => {
    await record(log, "a", everyEvent);
    assert.deepEqual(await eventsOf(log, "a"), everyEvent);
  });

  claim("what is appended is there for a log that is opened anew", async (fixture) => {
    const reopen = fixture.reopen ?? (() => fixture.log);
    const appended = await record(fixture.log, "a", everyEvent);
    assert.deepEqual(await right(reopen().runs()), ["a"]);
    assert.deepEqual(await right(reopen().read("a")), { events: appended });
    const writer = await right(reopen().open("a"));
    assert.deepEqual(writer.contents, { events: appended });
    await right(writer.close());
  });
}

/** A clock that shows what it is set to. */
export interface SetClock extends Clock {
  time: string;
}

/** A clock that stands still until it is set. */
export function setClock(time = "2026-07-01T12:00:00.000Z"): SetClock {
  return {
    time,
    now() {
      return this.time;
    },
  };
}

const DIGEST = "ab".repeat(32);

const environment = {
  backend: "cpu",
  adapter: "JavaScript",
  tfjs: "4.22.0",
  runtime: "deno",
  platform: "x86_64-linux",
};

/** The event that begins a run. */
export const started: RunEvent = {
  type: "RunStarted",
  data: {
    task: "line",
    config: defaultConfig,
    data: { name: "xs", samples: 4, digest: DIGEST },
    environment,
    state: DIGEST,
  },
};

/** A step whose floats are `value` and what follows from it. */
export function stepTaken(step: number, value = step / 3): RunEvent {
  return {
    type: "StepTaken",
    data: {
      step,
      epoch: 0,
      index: step,
      batch: DIGEST,
      loss: value,
      gradNorm: -value,
      learningRate: value / 7,
    },
  };
}

/** An event of each type, and of each form that it has. */
export const everyEvent: readonly RunEvent[] = [
  started,
  stepTaken(1),
  { type: "EvaluationTaken", data: { step: 1, loss: 0.1, samples: 16 } },
  { type: "EpochCompleted", data: { step: 1, epoch: 0 } },
  {
    type: "SnapshotTaken",
    data: { step: 1, snapshot: DIGEST, state: DIGEST, reason: "scheduled" },
  },
  { type: "RunPaused", data: { step: 1, reason: "signal" } },
  { type: "RunResumed", data: { step: 1 } },
  { type: "RunPaused", data: { step: 1, reason: "until" } },
  { type: "RunResumed", data: { step: 1, environment } },
  { type: "RunFailed", data: { step: 1, message: "out of paper" } },
  { type: "RunResumed", data: { step: 1 } },
  { type: "RunCompleted", data: { step: 1 } },
];

/** Appends events to a run by a writer of its own. */
export async function record(
  log: EventLog,
  run: RunId,
  events: readonly RunEvent[],
): Promise<readonly RecordedEvent[]> {
  const writer = await right(log.open(run));
  const appended = await right(writer.append(events, writer.contents.events.length));
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

/** Passes where work gives an error or throws one. */
async function refused(work: () => Promise<E.Either<LogError, unknown>>): Promise<void> {
  const result = await work().catch((error) => E.left(error));
  assert.ok(E.isLeft(result), "Expected an error, found an answer");
}
