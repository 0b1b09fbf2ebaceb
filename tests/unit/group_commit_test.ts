import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  type GroupCommit,
  groupCommit,
  type Outcome,
} from "../../src/adapters/file_log/group_commit.ts";
import { type Durability, everyStep } from "../../src/core/durability.ts";
import type { LogError } from "../../src/ports/event_log.ts";

const DONE: Outcome = E.right(undefined);
const full: LogError = {
  type: "LogUnavailable",
  action: "append to the log",
  place: "runs/a",
  reason: "no space left",
};

Deno.test("with every-step an entry is written at once, those that come meanwhile together", async () => {
  const { group, writes } = collect(everyStep);
  const first = group.add([1]);
  assert.deepEqual(entriesOf(writes), [[1]]);
  const others = [group.add([2, 3]), group.add([]), group.add([4])];
  await turn();
  assert.deepEqual(entriesOf(writes), [[1]], "one write at a time");
  writes[0]!.settle(DONE);
  assert.deepEqual(await first, DONE);
  assert.deepEqual(entriesOf(writes), [[1], [2, 3, 4]]);
  let settled = 0;
  for (const other of others) other.then(() => settled++);
  await turn();
  assert.equal(settled, 0, "nothing is durable before its write is done");
  writes[1]!.settle(DONE);
  assert.deepEqual(await Promise.all(others), [DONE, DONE, DONE]);
  const last = group.add([5]);
  writes[2]!.settle(DONE);
  assert.deepEqual(await last, DONE);
  assert.deepEqual(entriesOf(writes), [[1], [2, 3, 4], [5]]);
});

Deno.test("with every-ms nothing is written before its time, and then all that came", async () => {
  const { group, writes } = collect({ type: "every-ms", milliseconds: 30 });
  const start = performance.now();
  const first = group.add([1]);
  await turn();
  const second = group.add([2]);
  assert.deepEqual(entriesOf(writes), []);
  while (writes.length === 0) await turn();
  const waited = performance.now() - start;
  assert.ok(waited >= 29, `${waited} ms`);
  assert.deepEqual(entriesOf(writes), [[1, 2]]);
  const third = group.add([3]);
  writes[0]!.settle(DONE);
  assert.deepEqual([await first, await second], [DONE, DONE]);
  assert.deepEqual(entriesOf(writes), [[1, 2]], "the next has its own time");
  while (writes.length === 1) await turn();
  writes[1]!.settle(DONE);
  assert.deepEqual(await third, DONE);
});

Deno.test("flush() waits for no time, and leaves no timer", async () => {
  const { group, writes } = collect({ type: "every-ms", milliseconds: 60_000 });
  assert.deepEqual(await group.flush(), DONE);
  assert.deepEqual(entriesOf(writes), []);
  const added = group.add([1]);
  const flushed = group.flush();
  assert.deepEqual(entriesOf(writes), [[1]]);
  const during = group.flush(); // nothing more to write, and yet not durable
  const more = group.add([2]);
  const last = group.flush();
  let settled = 0;
  for (const each of [flushed, during, last]) each.then(() => settled++);
  await turn();
  assert.equal(settled, 0);
  writes[0]!.settle(DONE);
  assert.deepEqual(await Promise.all([added, flushed, during]), [DONE, DONE, DONE]);
  assert.equal(settled, 2);
  writes[1]!.settle(DONE);
  assert.deepEqual(await Promise.all([more, last]), [DONE, DONE]);
  assert.deepEqual(entriesOf(writes), [[1], [2]]);
});

Deno.test("an entry's time begins with it, whatever was flushed before", async () => {
  const milliseconds = 60;
  const { group, writes } = collect({ type: "every-ms", milliseconds });
  const flushed = [group.add([1]), group.add([2]), group.flush(), group.flush()];
  const early = performance.now();
  const third = group.add([3]); // while the first are written
  writes[0]!.settle(DONE);
  assert.deepEqual(await Promise.all(flushed), [DONE, DONE, DONE, DONE]);
  assert.deepEqual(entriesOf(writes), [[1, 2]]);
  while (writes.length === 1) await turn();
  assert.ok(performance.now() - early >= milliseconds - 1);
  writes[1]!.settle(DONE);
  assert.deepEqual(await third, DONE);

  const fourth = [group.add([4]), group.add([5])];
  group.flush();
  writes[2]!.settle(DONE);
  assert.deepEqual(await Promise.all(fourth), [DONE, DONE]);
  await new Promise((resolve) => setTimeout(resolve, milliseconds / 2));
  const late = performance.now();
  const sixth = group.add([6]);
  while (writes.length === 3) await turn();
  assert.ok(performance.now() - late >= milliseconds - 1);
  writes[3]!.settle(DONE);
  assert.deepEqual(await sixth, DONE);
});

for (const durability of [everyStep, { type: "every-ms", milliseconds: 60_000 }] as const) {
  Deno.test(`after a failed write nothing is written any more (${durability.type})`, async () => {
    const { group, writes } = collect(durability);
    const first = group.add([1]);
    const flushed = group.flush();
    const waiting = group.add([2]);
    assert.equal(group.failure(), undefined);
    writes[0]!.settle(E.left(full));
    assert.deepEqual(await first, E.left(full));
    assert.deepEqual(await flushed, E.left(full));
    const refused = group.failure();
    assert.ok(refused?.type === "LogUnavailable");
    assert.match(refused.reason, /earlier append failed \(no space left\): open the run again/);
    for (const later of [waiting, group.add([3]), group.flush()]) {
      assert.deepEqual(await later, E.left(refused));
    }
    await turn();
    assert.deepEqual(entriesOf(writes), [[1]]);
  });
}

Deno.test("a defect in a write rejects its appends, and ends the writing", async () => {
  const { group, writes } = collect(everyStep);
  const first = group.add([1]);
  const waiting = group.add([2]);
  writes[0]!.reject(new TypeError("a defect"));
  await assert.rejects(first, { message: "a defect" });
  assert.ok(E.isLeft(await waiting));
  assert.ok(E.isLeft(await group.add([3])));
  assert.deepEqual(entriesOf(writes), [[1]]);
});

Deno.test("a group takes more entries at once than a call has arguments", async () => {
  const { group, writes } = collect(everyStep);
  const added = group.add(Array.from({ length: 300_000 }, (_, index) => index));
  assert.equal(writes[0]!.entries.length, 300_000);
  writes[0]!.settle(DONE);
  assert.deepEqual(await added, DONE);
});

interface Write {
  readonly entries: readonly number[];
  readonly settle: (outcome: Outcome) => void;
  readonly reject: (defect: unknown) => void;
}

/** A group commit whose writes end when they are told to. */
function collect(durability: Durability): { group: GroupCommit<number>; writes: Write[] } {
  const writes: Write[] = [];
  const group = groupCommit<number>(durability, (entries) => () => {
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    writes.push({ entries: [...entries], settle: resolve, reject });
    return promise;
  });
  return { group, writes };
}

function entriesOf(writes: readonly Write[]): readonly (readonly number[])[] {
  return writes.map(({ entries }) => entries);
}

/** One turn of the event loop. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1));
}
