import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { orThrow, type RunEvent, type RunState } from "foldlog";
import { followRun } from "../../src/app/reading/follow_run.ts";
import { everyEvent, snapshotTaken, started, stepTaken } from "../../src/testing/sample_events.ts";
import { type TemporaryLog, temporaryLog } from "../support/temporary_log.ts";

const completed: RunEvent = { type: "RunCompleted", data: { step: 8 } };
const steps = [1, 2, 3, 4, 5, 6, 7, 8].map((step) => stepTaken(step));

Deno.test("followRun() tells each event once, in order, as it is recorded, and ends with the run", async () => {
  await using files = await temporaryLog({ segmentBytes: 2000 });
  const { told, waits } = await follow(files, [
    () => append(files, [started, steps[0]!]),
    () => append(files, [steps[1]!]),
    () => {},
    // Snapshots: what is read from the end of the log begins after what was told last.
    () => append(files, [steps[2]!, snapshotTaken(3), steps[3]!, snapshotTaken(4), steps[4]!]),
    () => append(files, [...steps.slice(5), completed]),
    () => assert.fail("expected the watch to end with the run"),
  ]);
  assert.ok((await files.segments()).size > 2);
  assert.equal(waits, 5);
  assert.deepEqual(told.map(({ positions }) => positions), [
    [0, 1],
    [2],
    [3, 4, 5, 6, 7],
    [8, 9, 10, 11],
  ]);
  assert.deepEqual(told.map(({ state }) => [state.step, state.status]), [
    [1, "running"],
    [2, "running"],
    [5, "running"],
    [8, "completed"],
  ]);
});

Deno.test("followRun() tells all of a run that is complete, and asks for no wait", async () => {
  await using files = await temporaryLog();
  await append(files, everyEvent);
  const { told, waits, missing } = await follow(files, []);
  assert.deepEqual(told.map(({ positions }) => positions.length), [everyEvent.length]);
  assert.deepEqual([waits, missing], [0, 0]);
});

Deno.test("followRun() waits for a run that is not there, and says so once", async () => {
  await using files = await temporaryLog();
  const { told, missing } = await follow(files, [
    () => {},
    () => {},
    () => append(files, [started]),
  ]);
  assert.deepEqual([told.length, missing], [1, 1]);
});

Deno.test("a line that is being written is no event until it is whole", async () => {
  await using files = await temporaryLog();
  await append(files, [started]);
  const whole = await Deno.readFile(files.segment(0));
  await append(files, [steps[0]!]);
  const line = (await Deno.readFile(files.segment(0))).subarray(whole.length);
  await Deno.truncate(files.segment(0), whole.length);
  const write = (bytes: Uint8Array) => Deno.writeFile(files.segment(0), bytes, { append: true });
  const { told } = await follow(files, [
    () => write(line.subarray(0, 40)),
    () => write(line.subarray(40, -1)),
    () => write(line.subarray(-1)),
  ]);
  assert.deepEqual(told.map(({ positions }) => positions), [[0], [1]]);
});

Deno.test("a log that reads as damaged is read again before it is called so", async () => {
  for (const mended of [true, false]) {
    await using files = await temporaryLog();
    await append(files, [started, steps[0]!]);
    const right = await Deno.readFile(files.segment(0));
    await Deno.writeTextFile(files.segment(0), "nonsense\n", { append: true });
    const looks = [() => mended ? Deno.writeFile(files.segment(0), right) : undefined];
    const watch = await follow(files, looks).catch((error) => error);
    if (mended) assert.deepEqual(watch.told.map(({ positions }: Told) => positions), [[0, 1]]);
    else assert.match(String(watch), /damaged/);
  }
});

Deno.test("a run that takes the place of another is told from its beginning", async () => {
  await using files = await temporaryLog();
  await append(files, [started, ...steps.slice(0, 3)]);
  const { told } = await follow(files, [
    async () => void await orThrow(files.log.archive("a")),
    () => append(files, [{ ...started, data: { ...started.data, task: "another" } } as RunEvent]),
  ]);
  assert.deepEqual(told.map(({ positions }) => positions), [[0, 1, 2, 3], [0]]);
  assert.equal(told[1]!.state.task, "another");
});

Deno.test("followRun() ends as soon as nobody reads what it tells", async () => {
  await using files = await temporaryLog();
  await append(files, [started]);
  const watch = {
    wait: () => assert.fail("expected no wait"),
    onNews: () => Promise.resolve(false),
    onMissing: () => {},
  };
  assert.ok(E.isRight(await followRun(files, "a", watch)()));
});

interface Told {
  readonly positions: readonly number[];
  readonly state: RunState;
}

/** Follows the run "a": at each wait the next of these happens, and after the last nobody watches any more. */
async function follow(
  { log }: Pick<TemporaryLog, "log">,
  happenings: readonly (() => unknown)[],
): Promise<{ told: Told[]; waits: number; missing: number }> {
  const told: Told[] = [];
  let waits = 0;
  let missing = 0;
  await orThrow(followRun({ log }, "a", {
    wait: async () => {
      const happening = happenings[waits++];
      await happening?.();
      return happening !== undefined;
    },
    onNews: ({ events, state }) => {
      told.push({ positions: events.map(({ position }) => position), state });
      return Promise.resolve(true);
    },
    onMissing: () => void missing++,
  }));
  return { told, waits, missing };
}

/** Has a writer append events, and go. */
async function append(
  { log }: Pick<TemporaryLog, "log">,
  events: readonly RunEvent[],
): Promise<void> {
  const writer = await orThrow(log.open("a"));
  const { base, events: there } = writer.contents;
  await orThrow(writer.append(events, base.version + there.length));
  await orThrow(writer.close());
}
