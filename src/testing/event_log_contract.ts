import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import { foldOf } from "../ports/fold_log.ts";
import { encodeLine, GENESIS } from "../codec/envelope_codec.ts";
import type { RunEvent } from "../core/event.ts";
import { initialState } from "../core/evolve.ts";
import type { RecordedEvent } from "../core/recorded_event.ts";
import type { Clock } from "../ports/clock.ts";
import type { EventLog, LogContents, LogError } from "../ports/event_log.ts";
import { eventsOf, left, record, right, versionOf } from "./log_answers.ts";
import { everyEvent, snapshotTaken, started, stepTaken } from "./sample_events.ts";
import { type SetClock, setClock } from "./set_clock.ts";

/** An event log that is empty at first. */
export interface LogFixture extends AsyncDisposable {
  readonly log: EventLog;
  /** The same log as a new process would open it; absent where it ends with its process. */
  readonly reopen?: () => EventLog;
}

/** Makes a fresh log that takes its times from `clock`. */
export type MakeLog = (clock: Clock) => Promise<LogFixture>;

/**
 * Registers what every event log must do, as tests of the adapter `name`: an adapter that passes can
 * stand in for those that foldlog has. `make` is called anew for each test.
 *
 * @example
 * ```ts ignore
 * import { eventLogContract } from "foldlog/testing";
 * import { myEventLog } from "./my_event_log.ts";
 *
 * eventLogContract("myEventLog()", async (clock) => {
 *   const place = await Deno.makeTempDir();
 *   return {
 *     log: myEventLog(place, clock),
 *     reopen: () => myEventLog(place, clock),
 *     [Symbol.asyncDispose]: () => Deno.remove(place, { recursive: true }),
 *   };
 * });
 * ```
 */
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
    assert.deepEqual(await right(log.read("a")), wholeOf(appended));
  });

  claim("bytes() is what the run's own lines take", async ({ log }) => {
    assert.equal(await right(log.bytes("a")), 0);
    const recorded = [
      ...await record(log, "a", [started]),
      ...await record(log, "a", [stepTaken(1), stepTaken(2)]),
    ];
    await record(log, "b", [started]);
    const encoded = recorded.map((event) => new TextEncoder().encode(`${encodeLine(event)}\n`));
    assert.equal(await right(log.bytes("a")), encoded.reduce((sum, { length }) => sum + length, 0));
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
    assertEndOf(writer.contents, appended);
    const before = structuredClone(writer.contents);
    await right(writer.append([stepTaken(2)], 2));
    assert.deepEqual(writer.contents, before, "contents are those at open()");
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

  claim("an unknown run is empty, and asking for it makes no run", async ({ log }) => {
    const nothing = { base: initialState, events: [] };
    assert.deepEqual(await right(log.read("nobody")), nothing);
    assert.deepEqual(await right(log.recent("nobody")), nothing);
    assert.deepEqual(await right(log.checkDerived("nobody")), []);
    assert.deepEqual(await right(log.rebuildDerived("nobody")), []);
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
    assert.deepEqual(await right(reopen().read("a")), wholeOf(appended));
    const writer = await right(reopen().open("a"));
    assertEndOf(writer.contents, appended);
    await right(writer.close());
  });

  claim("recent() gives the end of the history, on the state before it", async (fixture) => {
    const log = fixture.reopen?.() ?? fixture.log;
    const snapshots = [2, 5].flatMap((step) => [stepTaken(step), snapshotTaken(step)]);
    const runs = {
      none: [started, stepTaken(1)],
      some: [started, stepTaken(1, NaN), ...snapshots, stepTaken(6, -0)],
      last: [started, stepTaken(1, Infinity), ...snapshots],
      every: everyEvent,
    };
    for (const [run, events] of Object.entries(runs)) {
      const appended = [];
      for (const event of events) appended.push(...await record(fixture.log, run, [event]));
      assert.deepEqual((await right(log.read(run))).events, appended);
      assertEndOf(await right(log.recent(run)), appended);
      const writer = await right(log.open(run));
      assertEndOf(writer.contents, appended);
      await right(writer.close());
      assert.deepEqual(await right(log.checkDerived(run)), []);
      assert.deepEqual(await right(log.rebuildDerived(run)), []);
      assertEndOf(await right(log.recent(run)), appended);
    }
  });

  claim(
    "archived() gives what the archived runs hold, none of those that are left",
    async ({ log }) => {
      assert.deepEqual(await right(log.archived("whole")), []);
      const first = await record(log, "a", [started, stepTaken(1), snapshotTaken(1), stepTaken(2)]);
      await right(log.archive("a"));
      const second = await record(log, "a", [started]);
      await right(log.archive("a"));
      await record(log, "a", [started, stepTaken(1)]);
      for (const extent of ["recent", "whole"] as const) {
        const archived = [...await right(log.archived(extent))]
          .sort((a, b) => versionOf(b) - versionOf(a));
        assert.equal(archived.length, 2);
        assertEndOf(archived[0]!, first);
        assertEndOf(archived[1]!, second);
        if (extent === "whole") assert.deepEqual(archived[0]!.events, first);
      }
    },
  );

  claim("appends may overlap: the log has them in the order of the calls", async ({ log }) => {
    const writer = await right(log.open("a"));
    const appends = [writer.append([started], 0)()];
    for (let step = 1; step <= 99; step += 2) {
      appends.push(writer.append([stepTaken(step), stepTaken(step + 1)], step)());
    }
    const appended = (await Promise.all(appends)).flatMap(rightOf);
    await right(writer.close());
    const steps = Array.from({ length: 100 }, (_, index) => stepTaken(index + 1));
    assert.deepEqual(appended.map(({ event }) => event), [started, ...steps]);
    assert.deepEqual((await right(log.read("a"))).events, appended);
  });

  claim(
    "expectedVersion counts what is under way; a conflict stops nothing else",
    async ({ log }) => {
      const writer = await right(log.open("a"));
      const before = writer.append([started, stepTaken(1)], 0)();
      const conflict = writer.append([stepTaken(2)], 0)();
      const after = writer.append([stepTaken(2, 5)], 2)();
      assert.deepEqual(
        await conflict,
        E.left({ type: "VersionConflict", run: "a", expected: 0, actual: 2 }),
      );
      const appended = [...rightOf(await before), ...rightOf(await after)];
      appended.push(...await right(writer.append([stepTaken(3)], 3)));
      await right(writer.close());
      assert.deepEqual(await eventsOf(log, "a"), [
        ...[started, stepTaken(1), stepTaken(2, 5), stepTaken(3)],
      ]);
      assert.deepEqual((await right(log.read("a"))).events, appended);
    },
  );

  claim("an append that nobody has run appends nothing", async ({ log }) => {
    const writer = await right(log.open("a"));
    writer.append([started], 0);
    writer.close();
    await right(writer.append([started, stepTaken(1)], 0));
    await right(writer.close());
    assert.deepEqual(await eventsOf(log, "a"), [started, stepTaken(1)]);
  });

  claim("flush() makes durable what was appended before it", async (fixture) => {
    const writer = await right(fixture.log.open("a"));
    await right(writer.flush());
    const appends = [writer.append([started], 0)(), writer.append([stepTaken(1)], 1)()];
    await right(writer.flush());
    const log = fixture.reopen?.() ?? fixture.log;
    assert.deepEqual(await eventsOf(log, "a"), [started, stepTaken(1)]);
    for (const result of await Promise.all(appends)) rightOf(result);
    await right(writer.append([stepTaken(2)], 2));
    await right(writer.flush());
    await right(writer.close());
    await right(writer.flush());
    assert.deepEqual(await eventsOf(log, "a"), [started, stepTaken(1), stepTaken(2)]);
  });

  claim("close() makes durable what was appended, and accepts nothing more", async ({ log }) => {
    const writer = await right(log.open("a"));
    const appended = writer.append([started, stepTaken(1)], 0)();
    const closed = writer.close()();
    await refused(() => writer.append([stepTaken(2)], 2)());
    assert.deepEqual(await closed, E.right(undefined));
    rightOf(await appended);
    assert.deepEqual(await eventsOf(log, "a"), [started, stepTaken(1)]);
    await record(log, "a", [stepTaken(2)]);
  });

  claim("a writer says when appends become durable", async ({ log }) => {
    const writer = await right(log.open("a"));
    const { durability } = writer;
    assert.ok(
      durability.type === "every-step" ||
        (durability.type === "every-ms" && durability.milliseconds > 0),
    );
    await right(writer.close());
  });
}

/** All of a log that holds these events. */
function wholeOf(events: readonly RecordedEvent[]): LogContents {
  return { base: initialState, events, ends: { first: events[0]!, last: events.at(-1)! } };
}

/** What `recent` gives is the end of the history, and the fold of what comes before. */
function assertEndOf(contents: LogContents, whole: readonly RecordedEvent[]): void {
  const { base, events, ends } = contents;
  assert.deepEqual(ends, { first: whole[0], last: whole.at(-1) });
  assert.equal(versionOf(contents), whole.length);
  assert.deepEqual(events, whole.slice(base.version));
  const before = whole.slice(0, base.version);
  assert.deepEqual(base, foldOf({ base: initialState, events: before }));
  const snapshot = whole.findLastIndex(({ event }) => event.type === "SnapshotTaken");
  assert.ok(events.length >= whole.length - snapshot - 1, "all that follows the last snapshot");
}

function rightOf<A>(result: E.Either<LogError, A>): A {
  if (E.isRight(result)) return result.right;
  return assert.fail(JSON.stringify(result.left));
}

/** Passes where work gives an error or throws one. */
async function refused(work: () => Promise<E.Either<LogError, unknown>>): Promise<void> {
  const result = await work().catch((error) => E.left(error));
  assert.ok(E.isLeft(result), "Expected an error, found an answer");
}
