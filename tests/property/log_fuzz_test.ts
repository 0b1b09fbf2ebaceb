import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import type { RunEvent } from "../../src/core/event.ts";
import { evolve, initialState } from "../../src/core/evolve.ts";
import type { RecordedEvent } from "../../src/core/recorded_event.ts";
import type { LogContents, LogError } from "../../src/ports/event_log.ts";
import { left, record, right, versionOf } from "../../src/testing/log_answers.ts";
import { everyEvent, snapshotTaken, started, stepTaken } from "../../src/testing/sample_events.ts";
import { linesOf, type TemporaryLog, temporaryLog } from "../support/temporary_log.ts";

const LINE_BREAK = 10;
const SEGMENT_BYTES = 1500;

/** Every type of event, a snapshot in the middle that state.json stands at, and steps after it. */
const history: readonly RunEvent[] = [
  ...everyEvent.slice(0, -1),
  ...[2, 3, 4].map((step) => stepTaken(step, -0)),
  snapshotTaken(4),
  { type: "RunFailed", data: { step: 4, message: 'no "\u{1f433}"\n\ufffd' } },
  ...[5, 6, 7, 8, 9].map((step) => stepTaken(step)),
];

Deno.test("any bit that changes in a log of several segments is found, in its line", async () => {
  await using good = await goodLog();
  const flip = fc.tuple(fc.nat(), fc.nat(), fc.nat(7));
  await fc.assert(
    fc.asyncProperty(flip, async ([which, where, bit]) => {
      const [name, bytes] = good.segments[which % good.segments.length]!;
      await assertFound(good, name, bytes, where % bytes.length, bit);
    }),
    { numRuns: 300 },
  );
});

Deno.test("any bit that changes in a line break is found, in the line that it ends", async () => {
  await using good = await goodLog();
  for (const [name, bytes] of good.segments) {
    for (let at = bytes.indexOf(LINE_BREAK); at >= 0; at = bytes.indexOf(LINE_BREAK, at + 1)) {
      for (let bit = 0; bit < 8; bit++) await assertFound(good, name, bytes, at, bit);
    }
  }
});

Deno.test("any bit that changes in state.json is found, and changes nothing that is read", async () => {
  await using good = await goodLog();
  const flip = fc.tuple(fc.nat(good.cache.length - 1), fc.nat(7));
  await fc.assert(
    fc.asyncProperty(flip, async ([at, bit]) => {
      await Deno.writeFile(good.cachePath, flipped(good.cache, at, bit));
      const { log } = good.store;
      assert.equal((await right(log.checkDerived("a"))).length, 1, `byte ${at}, bit ${bit}`);
      assertPrefix(await right(log.recent("a")), good.whole, good.whole.length);
      assertPrefix(await right(log.read("a")), good.whole, good.whole.length);
    }),
    { numRuns: 200 },
  );
});

Deno.test("no edits make a log read as another history than a beginning of its own", async () => {
  await using good = await goodLog();
  let read = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
      await restore(good);
      const files = new Map(good.segments);
      for (const change of edits) change(files);
      await write(good.store, files);
      const { log } = good.store;
      await log.runs()();
      const whole = await log.read("a")();
      if (E.isLeft(whole)) assertDamage(whole.left);
      else assertPrefix(whole.right, good.whole, versionOf(whole.right));
      const recent = await log.recent("a")();
      if (E.isLeft(recent)) return assertDamage(recent.left);
      assertPrefix(recent.right, good.whole, versionOf(recent.right));
      read++;
      if (E.isRight(whole)) await assertGoesOn(good, versionOf(recent.right));
    }),
    { numRuns: 300 },
  );
  assert.ok(read > 0, "some edits leave a log that can be read");
});

const hostile: Readonly<Record<string, string>> = {
  "20 MB of one letter": "a".repeat(20e6),
  "20 MB in a string": `{"digest":"${"a".repeat(20e6)}"}`,
  "a million open arrays": "[".repeat(1e6),
  "a million open objects": '{"event":'.repeat(1e6),
  "an object in an object, 10000 deep": `${'{"event":'.repeat(1e4)}0${"}".repeat(1e4)}`,
  "two million members": `{${Array.from({ length: 2e6 }, (_, at) => `"${at}":0`).join(",")}}`,
  "the key __proto__": '{"__proto__":{"format":2}}',
  "a huge number": '{"format":1e999}',
  "a number of a million digits": `{"position":${"9".repeat(1e6)}}`,
  "no format": "{}",
  "null": "null",
  "a zero byte": "\0",
};

for (const [what, text] of Object.entries(hostile)) {
  Deno.test(`${what} in a line of a log is damage, and at its end a torn line`, async () => {
    await using store = await temporaryLog();
    const whole = await record(store.log, "a", [started, stepTaken(1)]);
    const start = performance.now();
    await Deno.writeTextFile(store.segment(0), `${linesOf(whole)}${text}\n`);
    for (const work of [store.log.read("a"), store.log.open("a")]) {
      const error = await left(work);
      assert.ok(error.type === "LogDamaged", JSON.stringify(error));
      assert.equal(error.place, "00000000.jsonl line 3");
      assert.ok(JSON.stringify(error).length < 1000);
    }
    await Deno.writeTextFile(store.segment(0), `${linesOf(whole)}${text}`);
    const { events, torn } = await right(store.log.read("a"));
    assert.deepEqual(events, whole);
    assert.equal(torn?.position, 2);
    assert.ok(performance.now() - start < 20_000, "in bounded time");
  });
}

Deno.test("a segment of gigabytes without a line break is not read to its end", async () => {
  await using store = await temporaryLog();
  const whole = await record(store.log, "a", [started]);
  await Deno.truncate(store.segment(0), 2 ** 35);
  const error = await left(store.log.read("a"));
  assert.ok(error.type === "LogDamaged" && error.position === 1, JSON.stringify(error));
  await Deno.truncate(store.segment(0), linesOf(whole).length);
  await Deno.rename(store.segment(0), `${store.run}/log/aside`);
  await Deno.create(store.segment(0)).then((file) => file.close());
  await Deno.truncate(store.segment(0), 2 ** 35);
  assert.deepEqual(await right(store.log.runs()), ["a"]);
  assert.equal((await left(store.log.read("a"))).type, "LogDamaged");
});

/** A log in files as it was written, and what it must read as. */
interface GoodLog extends AsyncDisposable {
  readonly store: TemporaryLog;
  readonly whole: readonly RecordedEvent[];
  readonly segments: readonly (readonly [name: string, bytes: Uint8Array])[];
  readonly cachePath: string;
  readonly cache: Uint8Array;
}

async function goodLog(): Promise<GoodLog> {
  const store = await temporaryLog({ segmentBytes: SEGMENT_BYTES });
  const whole = [];
  for (let from = 0; from < history.length; from += 5) { // in several sessions
    whole.push(...await record(store.log, "a", history.slice(from, from + 5)));
  }
  const segments = [...await store.segments()];
  assert.ok(segments.length > 4);
  const cachePath = `${store.run}/state.json`;
  const cache = await Deno.readFile(cachePath);
  const { base } = await right(store.log.recent("a"));
  assert.ok(base.version > 10 && base.version < whole.length);
  return {
    ...{ store, whole, segments, cachePath, cache },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

async function assertFound(
  { store, whole }: GoodLog,
  name: string,
  bytes: Uint8Array,
  at: number,
  bit: number,
): Promise<void> {
  const before = bytes.subarray(0, at).filter((byte) => byte === LINE_BREAK).length;
  const position = Number.parseInt(name, 10) + before;
  const place = `${name} line ${before + 1}`;
  const assertLocated = (error: LogError) => {
    const text = `${name} byte ${at} bit ${bit}: ${JSON.stringify(error)}`;
    assert.ok(error.type === "LogDamaged" || error.type === "NewerLog", text);
    assert.equal(error.place, place, text);
    if (error.type === "LogDamaged") assert.equal(error.position, position, text);
  };
  const path = `${store.run}/log/${name}`;
  await Deno.writeFile(path, flipped(bytes, at, bit));
  assertLocated(await left(store.log.read("a")));
  const recent = await store.log.recent("a")();
  if (E.isLeft(recent)) assertLocated(recent.left);
  else {
    assertPrefix(recent.right, whole, whole.length);
    assert.ok(position < recent.right.base.version - 1, "only what is folded goes unread");
  }
  await Deno.writeFile(path, bytes);
}

/** A change of the files of a log. */
type Edit = (files: Map<string, Uint8Array>) => void;

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(fc.constantFrom(...byteEdits()), fc.nat(), fc.nat(), fc.nat(), fc.uint8Array())
    .map(([change, which, a, b, bytes]) =>
      changeOne(which, (whole) => {
        const [from, to] = [a % (whole.length + 1), b % (whole.length + 1)].sort((x, y) => x - y);
        return change(whole, from!, to!, bytes);
      })
    ),
  fc.tuple(fc.constantFrom(...lineEdits()), fc.nat(), fc.nat(), fc.nat())
    .map(([change, which, a, b]) =>
      changeOne(which, (whole) => {
        const lines = linesIn(whole);
        return lines.length === 0
          ? whole
          : joined(change(lines, a % lines.length, b % lines.length));
      })
    ),
  fc.tuple(fc.constantFrom(...segmentEdits()), fc.nat(), fc.nat()).map(
    ([change, a, b]): Edit => (files) => {
      const names = [...files.keys()];
      if (names.length > 0) change(files, names[a % names.length]!, names[b % names.length]!);
    },
  ),
);

type ByteEdit = (whole: Uint8Array, from: number, to: number, bytes: Uint8Array) => Uint8Array;

function byteEdits(): readonly ByteEdit[] {
  return [
    (whole, from, to) => joined([whole.subarray(0, from), whole.subarray(to)]),
    (whole, from, _, bytes) => joined([whole.subarray(0, from), bytes, whole.subarray(from)]),
    (whole, from, to) => joined([whole.subarray(0, to), whole.subarray(from)]),
    (whole, from, _, bytes) =>
      joined([whole.subarray(0, from), bytes, whole.subarray(from + bytes.length)]),
    (whole, from) => whole.subarray(0, from),
    (whole, _, __, bytes) => joined([whole, bytes]),
    (whole, from, to) => whole.map((byte, at) => at >= from && at < to ? 0 : byte),
  ];
}

type LineEdit = (lines: readonly Uint8Array[], a: number, b: number) => readonly Uint8Array[];

function lineEdits(): readonly LineEdit[] {
  return [
    (lines, a) => lines.toSpliced(a, 1),
    (lines, a, b) => lines.toSpliced(b, 0, lines[a]!),
    (lines, a, b) => lines.with(a, lines[b]!).with(b, lines[a]!),
    (lines, a) => lines.slice(0, a),
    (lines, a) => lines.slice(a),
  ];
}

function segmentEdits(): readonly ((
  files: Map<string, Uint8Array>,
  a: string,
  b: string,
) => void)[] {
  return [
    (files, a) => void files.delete(a),
    (files, a) => void files.set(a, new Uint8Array()),
    (files, a, b) => {
      const [one, other] = [files.get(a)!, files.get(b)!];
      files.set(a, other).set(b, one);
    },
    (files, a, b) => void files.set(a, files.get(b)!),
    (files, a, b) => void files.set(a, joined([files.get(a)!, files.get(b)!])),
    (files, a) => {
      const next = `${String(Number.parseInt(a, 10) + 1).padStart(8, "0")}.jsonl`;
      files.set(next, files.get(a)!).delete(a);
    },
    (files, a) => {
      for (const name of files.keys()) if (name > a) files.delete(name);
    },
  ];
}

function changeOne(which: number, change: (bytes: Uint8Array) => Uint8Array): Edit {
  return (files) => {
    const names = [...files.keys()];
    const name = names[which % names.length];
    if (name !== undefined) files.set(name, change(files.get(name)!));
  };
}

/** The lines of a segment, each with its line break. */
function linesIn(bytes: Uint8Array): readonly Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const at = bytes.indexOf(LINE_BREAK, start);
    const end = at < 0 ? bytes.length : at + 1;
    lines.push(bytes.subarray(start, end));
    start = end;
  }
  return lines;
}

async function restore({ store, segments, cachePath, cache }: GoodLog): Promise<void> {
  await write(store, new Map(segments));
  await Deno.writeFile(cachePath, cache);
}

async function write({ run }: TemporaryLog, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  await Deno.remove(`${run}/log`, { recursive: true });
  await Deno.mkdir(`${run}/log`);
  for (const [name, bytes] of files) await Deno.writeFile(`${run}/log/${name}`, bytes);
}

/** What is read is the first `version` events of the history, whole or folded. */
function assertPrefix(
  contents: LogContents,
  whole: readonly RecordedEvent[],
  version: number,
): void {
  const { base, events } = contents;
  assert.equal(versionOf(contents), version);
  assert.deepEqual(events, whole.slice(base.version, version));
  const folded = whole.slice(0, base.version).map(({ event }) => event);
  assert.deepEqual(base, folded.reduce(evolve, initialState));
}

function assertDamage(error: LogError): void {
  assert.ok(error.type === "LogDamaged" || error.type === "NewerLog", JSON.stringify(error));
  assert.match(error.place, /^[0-9]{8,}\.jsonl line [0-9]+$/);
}

/** A log that can be read can be gone on with: what is appended follows what was read. */
async function assertGoesOn({ store, whole }: GoodLog, version: number): Promise<void> {
  const added = await record(store.log, "a", [stepTaken(99)]);
  const { events } = await right(store.log.read("a"));
  assert.deepEqual(events, [...whole.slice(0, version), ...added]);
}

function flipped(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  return bytes.with(at, bytes[at]! ^ (1 << bit));
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
