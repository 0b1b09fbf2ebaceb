import assert from "node:assert/strict";
import type { RunEvent } from "../../src/core/event.ts";
import { segmentsIn } from "../../src/adapters/file_log/log_segment.ts";
import { eventsOf, left, record, right } from "../../src/testing/log_answers.ts";
import { started, stepTaken } from "../../src/testing/sample_events.ts";
import { linesOf, type TemporaryLog, temporaryLog } from "../support/temporary_log.ts";

const LINE_BREAK = 10;
const steps = Array.from({ length: 20 }, (_, index) => stepTaken(index + 1));
const events: readonly RunEvent[] = [started, ...steps];

Deno.test("a segment that has grown past its size is followed by one named after its first line", async () => {
  for (const segmentBytes of [1, 1000, 1500, 4000]) {
    await using store = await temporaryLog({ segmentBytes });
    const writer = await right(store.log.open("a"));
    const whole = [];
    for (const [version, event] of events.entries()) {
      whole.push(...await right(writer.append([event], version)));
    }
    await right(writer.close());
    const expected = new Map<string, string>();
    let name = "";
    for (const recorded of whole) {
      const text = expected.get(name);
      if (text === undefined || text.length >= segmentBytes) name = nameOf(recorded.position);
      expected.set(name, (expected.get(name) ?? "") + linesOf([recorded]));
    }
    assert.deepEqual(await textsOf(store), expected);
    assert.ok(expected.size > 1);
    assert.deepEqual((await right(store.log.read("a"))).events, whole);
  }
});

Deno.test("the events of one append are in as many segments as they fill", async () => {
  for (
    const durability of [{ type: "every-step" }, { type: "every-ms", milliseconds: 1 }] as const
  ) {
    await using store = await temporaryLog({ segmentBytes: 1000, durability });
    const whole = await record(store.log, "a", events);
    const texts = [...(await textsOf(store)).values()];
    assert.equal(texts.join(""), linesOf(whole));
    for (const text of texts.slice(0, -1)) assert.ok(text.length >= 1000 && text.length < 2000);
  }
});

Deno.test("the segments are the same whether events are appended one by one or all at once", async () => {
  await using one = await temporaryLog();
  const whole = await record(one.log, "a", events);
  for (const count of [1, 2, 3, 5]) {
    const segmentBytes = linesOf(whole.slice(0, count)).length; // the last of them fills it exactly
    await using atOnce = await temporaryLog({ segmentBytes });
    await record(atOnce.log, "a", events);
    await using single = await temporaryLog({ segmentBytes });
    const writer = await right(single.log.open("a"));
    for (const [version, event] of events.entries()) await right(writer.append([event], version));
    await right(writer.close());
    assert.deepEqual(await textsOf(atOnce), await textsOf(single));
    assert.equal((await textsOf(single)).get(nameOf(0))!.length, segmentBytes);
  }
});

Deno.test("a writer goes on in the last segment, whatever size the writer before gave segments", async () => {
  await using store = await temporaryLog({ segmentBytes: 1 });
  await record(store.log, "a", events.slice(0, 3));
  await using large = await temporaryLog();
  await Deno.rename(store.root, large.root);
  const added = await record(large.log, "a", events.slice(3));
  const segments = [...(await large.segments()).keys()];
  assert.deepEqual(segments, [nameOf(0), nameOf(1), nameOf(2)]);
  assert.ok((await textsOf(large)).get(nameOf(2))!.endsWith(linesOf(added)));
  assert.deepEqual(await eventsOf(large.log, "a"), events);
  await Deno.mkdir(store.root);
});

Deno.test("a last segment that a crash left empty or torn is written to by the next writer", async () => {
  for (const bytes of [0, 1, 200]) {
    await using store = await temporaryLog({ segmentBytes: 1 });
    const whole = await record(store.log, "a", events.slice(0, 4));
    const line = new TextEncoder().encode(linesOf(whole.slice(3)));
    await Deno.writeFile(store.segment(3), line.subarray(0, bytes));
    const { torn } = await right(store.log.read("a"));
    const expected = { position: 3, bytes, place: `${nameOf(3)} line 1` };
    assert.deepEqual(torn, bytes === 0 ? undefined : expected);
    assert.deepEqual(await eventsOf(store.log, "a"), events.slice(0, 3));
    assert.deepEqual(await right(store.log.runs()), ["a"]);
    await record(store.log, "a", events.slice(3, 5));
    const names = [...(await store.segments()).keys()];
    assert.deepEqual(names, [0, 1, 2, 3, 4].map(nameOf));
    assert.deepEqual(await eventsOf(store.log, "a"), events.slice(0, 5));
  }
});

Deno.test("a segment that is missing is damage, named by what should be there", async () => {
  await using store = await temporaryLog({ segmentBytes: 1000 });
  await record(store.log, "a", events);
  const names = [...(await store.segments()).keys()];
  assert.ok(names.length > 3);
  for (const name of names.slice(0, -1)) {
    await Deno.rename(`${store.run}/log/${name}`, `${store.run}/away`);
    await assertDamaged(store, name, Number.parseInt(name, 10), 1);
    await Deno.rename(`${store.run}/away`, `${store.run}/log/${name}`);
  }
  assert.deepEqual(await eventsOf(store.log, "a"), events);
});

Deno.test("a segment of a wrong name is damage", async () => {
  await using store = await temporaryLog({ segmentBytes: 1000 });
  await record(store.log, "a", events);
  const names = [...(await store.segments()).keys()];
  for (const name of names) {
    const position = Number.parseInt(name, 10);
    for (const wrong of [nameOf(position + 1), nameOf(9000), `0${name}`]) {
      await Deno.rename(`${store.run}/log/${name}`, `${store.run}/log/${wrong}`);
      await assertDamaged(store, name, position, 1);
      await Deno.rename(`${store.run}/log/${wrong}`, `${store.run}/log/${name}`);
    }
  }
  assert.deepEqual(await eventsOf(store.log, "a"), events);
});

Deno.test("a torn line is damage in every segment but the last", async () => {
  await using store = await temporaryLog({ segmentBytes: 1000 });
  const whole = await record(store.log, "a", events);
  const segments = [...await store.segments()];
  for (const [index, [name, bytes]] of segments.slice(0, -1).entries()) {
    const first = Number.parseInt(name, 10);
    const last = Number.parseInt(segments[index + 1]![0], 10) - 1;
    for (const cut of [1, 2, 3, 100, linesOf([whole[last]!]).length - 1]) {
      await Deno.writeFile(`${store.run}/log/${name}`, bytes.subarray(0, -cut));
      await assertDamaged(store, name, last, last - first + 1);
    }
    await Deno.writeFile(`${store.run}/log/${name}`, bytes);
  }
  assert.deepEqual(await eventsOf(store.log, "a"), events);
});

Deno.test("a last line whose line break was damaged is damage, and is not cut off", async () => {
  await using store = await temporaryLog({ segmentBytes: 1000 });
  await record(store.log, "a", events);
  const [name, bytes] = [...await store.segments()].at(-1)!;
  for (let bit = 0; bit < 8; bit++) {
    await Deno.writeFile(`${store.run}/log/${name}`, bytes.with(-1, LINE_BREAK ^ (1 << bit)));
    await assertDamaged(store, name, 20, 20 - Number.parseInt(name, 10) + 1, /line feed/);
  }
  await Deno.writeFile(`${store.run}/log/${name}`, bytes.subarray(0, -1)); // a write cut short
  assert.equal((await right(store.log.read("a"))).torn?.position, 20);
});

Deno.test("a last line of a newer format whose line break was damaged is not cut off either", async () => {
  await using store = await temporaryLog();
  await record(store.log, "a", [started]);
  await Deno.writeTextFile(store.segment(0), '{"format":3}+', { append: true });
  await assertDamaged(store, nameOf(0), 1, 2);
});

Deno.test("segments are in the order of their positions, whatever their names' lengths", async () => {
  await using store = await temporaryLog();
  await Deno.mkdir(store.root);
  const names = ["00000000", "00000007", "99999999", "100000000", "1234567890"];
  for (const name of names.toReversed()) {
    await Deno.writeTextFile(`${store.root}/${name}.jsonl`, "");
  }
  assert.deepEqual(await segmentsIn(store.root), names.map((name) => `${name}.jsonl`));
});

async function assertDamaged(
  { log }: TemporaryLog,
  name: string,
  position: number,
  line: number,
  reason = /expected/,
): Promise<void> {
  for (const work of [log.read("a"), log.open("a")]) {
    const error = await left(work);
    assert.ok(error.type === "LogDamaged", JSON.stringify(error));
    assert.deepEqual([error.position, error.place], [position, `${name} line ${line}`]);
    assert.match(error.reason, reason);
  }
}

async function textsOf(store: TemporaryLog): Promise<ReadonlyMap<string, string>> {
  const decoder = new TextDecoder();
  return new Map([...await store.segments()].map(([name, bytes]) => [name, decoder.decode(bytes)]));
}

function nameOf(position: number): string {
  return `${String(position).padStart(8, "0")}.jsonl`;
}
