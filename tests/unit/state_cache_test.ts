import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { fileEventLog } from "../../src/adapters/file_log/file_event_log.ts";
import { writtenConfig } from "../../src/codec/config_codec.ts";
import type { StateCache } from "../../src/codec/state_cache_codec.ts";
import type { RunEvent } from "../../src/core/event.ts";
import { evolve, initialState } from "../../src/core/evolve.ts";
import type { RecordedEvent } from "../../src/core/recorded_event.ts";
import type { RunState } from "../../src/core/run_state.ts";
import { eventsOf, left, record, right } from "../../src/testing/log_answers.ts";
import { snapshotTaken, started, stepTaken } from "../../src/testing/sample_events.ts";
import {
  linesOf,
  type TemporaryLog,
  temporaryLog,
  wholeLog,
  withFileMethod,
} from "../support/temporary_log.ts";

const history: readonly RunEvent[] = [
  started,
  ...[stepTaken(1), stepTaken(2, NaN), snapshotTaken(2), stepTaken(3), stepTaken(4)],
];

Deno.test("state.json is the fold up to the last SnapshotTaken, as docs/format.md has it", async () => {
  await using store = await temporaryLog({ segmentBytes: 1000 });
  const whole: RecordedEvent[] = [];
  for (const event of history) whole.push(...await record(store.log, "a", [event]));
  const segments = [...await store.segments()];
  const [segment, bytes] = segments.findLast(([name]) => Number.parseInt(name, 10) <= 3)!;
  const line = linesOf([whole[3]!]);
  const start = new TextDecoder().decode(bytes).indexOf(line);
  assert.ok(start > 0, "it is not the first line of its segment");
  const body = {
    format: 2,
    segment,
    start,
    end: start + line.length,
    last: whole[3]!.digest,
    state: { ...fold(history.slice(0, 4)), lastLoss: { step: 2, loss: "NaN" } } as object,
  };
  const snapshots = fold(history.slice(0, 4)).snapshots.map((ref) => ({ ...ref, loss: "NaN" }));
  const config = writtenConfig(fold(history).config!);
  body.state = { ...body.state, snapshots, config };
  const digest = createHash("sha256").update(canonicalize(body)!).digest("hex");
  assert.equal(await cacheText(store), canonicalize({ ...body, digest }));
});

Deno.test("a run is opened from its cache: what is before it is not read", async () => {
  for (const segmentBytes of [1, 1000, 2 ** 22]) {
    await using store = await temporaryLog({ segmentBytes });
    const whole = await record(store.log, "a", history);
    const second = store.segment(segmentBytes === 1 ? 1 : 0); // where the second line is
    const bytes = await Deno.readFile(second);
    const at = (segmentBytes === 1 ? 0 : bytes.indexOf(10)) + 20;
    await Deno.writeFile(second, bytes.with(at, bytes[at]! ^ 1));
    const recent = await right(store.log.recent("a"));
    assert.deepEqual(recent, {
      ...wholeLog(whole),
      base: fold(history.slice(0, 4)),
      events: whole.slice(4),
    });
    assert.equal((await left(store.log.read("a"))).type, "LogDamaged");
    const writer = await right(store.log.open("a"));
    assert.deepEqual(writer.contents, recent);
    const [added] = await right(writer.append([stepTaken(5)], 6));
    assert.equal(added!.previousDigest, whole[5]!.digest);
    assert.equal(added!.session, 2);
    await right(writer.close());
  }
});

Deno.test("a run whose last event is in the cache goes on after it", async () => {
  await using store = await temporaryLog();
  const whole = await record(store.log, "a", history.slice(0, 4));
  const { base, events } = await right(store.log.recent("a"));
  assert.deepEqual([base.version, events], [4, []]);
  const [added] = await record(store.log, "a", [stepTaken(3)]);
  assert.deepEqual([added!.position, added!.previousDigest, added!.session], [
    ...[4, whole[3]!.digest, 2],
  ]);
  assert.deepEqual(await eventsOf(store.log, "a"), history.slice(0, 5));
});

Deno.test("what follows the cache is read and checked, and a torn line is found there", async () => {
  await using store = await temporaryLog();
  await record(store.log, "a", history);
  const bytes = await Deno.readFile(store.segment(0));
  await Deno.writeFile(store.segment(0), bytes.subarray(0, -1));
  const { torn } = await right(store.log.recent("a"));
  assert.deepEqual([torn?.position, torn?.place], [5, "00000000.jsonl line 6"]);
  await Deno.writeFile(store.segment(0), bytes.with(-20, bytes.at(-20)! ^ 1));
  const error = await left(store.log.recent("a"));
  assert.ok(error.type === "LogDamaged" && error.position === 5, JSON.stringify(error));
  assert.equal(error.place, "00000000.jsonl line 6");
});

Deno.test("the line that a cache stands at is checked with its line break", async () => {
  await using store = await temporaryLog();
  await record(store.log, "a", history.slice(0, 4));
  const bytes = await Deno.readFile(store.segment(0));
  for (let bit = 0; bit < 8; bit++) {
    await Deno.writeFile(store.segment(0), bytes.with(-1, 10 ^ (1 << bit)));
    for (const work of [store.log.recent("a"), store.log.open("a")]) {
      const error = await left(work);
      assert.ok(error.type === "LogDamaged" && error.position === 3, JSON.stringify(error));
    }
  }
});

Deno.test("a segment after the cached one that is missing or misnamed is damage for open() too", async () => {
  await using store = await temporaryLog({ segmentBytes: 1 });
  await record(store.log, "a", history);
  await Deno.rename(store.segment(4), store.segment(9));
  for (const work of [store.log.recent("a"), store.log.open("a")]) {
    const error = await left(work);
    assert.ok(error.type === "LogDamaged" && error.position === 4, JSON.stringify(error));
    assert.equal(error.place, "00000004.jsonl line 1");
  }
});

const unusable: Readonly<Record<string, (store: TemporaryLog, good: string) => Promise<void>>> = {
  "is missing": (store) => Deno.remove(cachePath(store)),
  "is empty": (store) => Deno.writeTextFile(cachePath(store), ""),
  "is cut short": (store, good) => Deno.writeTextFile(cachePath(store), good.slice(0, -5)),
  "ends with more": (store, good) => Deno.writeTextFile(cachePath(store), `${good}\n`),
  "is no UTF-8": (store, good) =>
    Deno.writeFile(cachePath(store), new TextEncoder().encode(good).with(9, 0xff)),
  "is a directory": async (store) => {
    await Deno.remove(cachePath(store));
    await Deno.mkdir(cachePath(store));
  },
  "is a link to itself": async (store) => {
    await Deno.remove(cachePath(store));
    await Deno.symlink(cachePath(store), cachePath(store));
  },
  "is larger than any is": (store) => Deno.truncate(cachePath(store), 2 ** 27),
  "is deep": (store) => Deno.writeTextFile(cachePath(store), "[".repeat(1e6)),
  "is of an older format": (store, good) => forge(store, good, { format: 1 }),
  "is of a newer format": (store, good) => forge(store, good, { format: 3 }),
  "has a member more": (store, good) => forge(store, good, { more: 1 }),
  "has a state that is none": (store, good) => forge(store, good, { state: { step: 1 } }),
  "names no segment": (store, good) => forge(store, good, { segment: "00000009.jsonl" }),
  "names a file elsewhere": (store, good) =>
    forge(store, good, { segment: "../log/00000000.jsonl" }),
  "begins in another line": (store, good) => forge(store, good, { start: 0 }),
  "begins after its end": (store, good) => forge(store, good, { start: 1e6 }),
  "ends in another line": (store, good) => forge(store, good, { end: cacheOf(good).end - 1 }),
  "names another digest": (store, good) => forge(store, good, { last: "0".repeat(64) }),
  "has folded fewer events": (store, good) =>
    forge(store, good, { state: { ...cacheOf(good).state, version: 3 } }),
};

for (const [what, spoil] of Object.entries(unusable)) {
  Deno.test(`a cache that ${what} changes nothing: the whole log is read`, async () => {
    await using store = await temporaryLog();
    const whole = await record(store.log, "a", history);
    const good = await cacheText(store);
    await spoil(store, good);
    const all = wholeLog(whole);
    assert.deepEqual(await right(store.log.recent("a")), all);
    const flaws = await right(store.log.checkDerived("a"));
    assert.equal(flaws.length, what === "is missing" ? 0 : 1);
    for (const flaw of flaws) assert.match(flaw, /^state\.json: .*\S/);
    const writer = await right(store.log.open("a"));
    assert.deepEqual(writer.contents, all);
    await right(writer.append([stepTaken(5)], 6));
    await right(writer.close());
    assert.deepEqual(await eventsOf(store.log, "a"), [...history, stepTaken(5)]);
  });
}

Deno.test("a log that is shorter than its cache has lost events: it is damaged, not short", async () => {
  await using store = await temporaryLog({ segmentBytes: 1000 });
  await record(store.log, "a", history.slice(0, 4));
  const names = [...(await store.segments()).keys()];
  const path = `${store.run}/log/${names.at(-1)}`;
  const bytes = await Deno.readFile(path);
  const first = Number.parseInt(names.at(-1)!, 10);
  const before = new TextDecoder().decode(bytes).split("\n").slice(0, -2).join("\n").length + 1;
  for (const length of [0, before, before + 9, bytes.length - 1]) {
    await Deno.writeFile(path, bytes.subarray(0, length));
    const left = length === 0 ? first : 3;
    await assertLost(store, left, `${names.at(-1)} line ${left - first + 1}`);
  }
  await Deno.remove(path);
  await assertLost(store, first, `${names.at(-2)} line ${first + 1}`);
  await Deno.remove(`${store.run}/log`, { recursive: true });
  await assertLost(store, 0, "00000000.jsonl line 1");
  await Deno.remove(cachePath(store)); // as the message says
  await record(store.log, "a", [started, stepTaken(1)]);
  assert.deepEqual(await eventsOf(store.log, "a"), [started, stepTaken(1)]);
});

Deno.test("a cache never holds more than what is durable", async () => {
  await using store = await temporaryLog();
  await record(store.log, "a", history);
  const before = await cacheText(store);
  const writer = await right(store.log.open("a"));
  {
    using _ = withFileMethod("syncDataSync", () => () => {
      throw new Error("Input/output error (os error 5)");
    });
    await left(writer.append([snapshotTaken(4)], 6));
    await right(writer.close());
  }
  assert.equal(await cacheText(store), before);
  assert.deepEqual(await right(store.log.checkDerived("a")), []);
});

Deno.test("many snapshots in one group leave the cache of the last, and events after it uncached", async () => {
  await using store = await temporaryLog({ durability: { type: "every-ms", milliseconds: 5 } });
  const writer = await right(store.log.open("a"));
  const appends = history.map((event, version) => writer.append([event], version)());
  for (let step = 5; step < 30; step++) {
    const version = 6 + 2 * (step - 5);
    appends.push(writer.append([stepTaken(step), snapshotTaken(step)], version)());
  }
  appends.push(writer.append([stepTaken(30)], 56)());
  await right(writer.close());
  await Promise.all(appends);
  const { base, events } = await right(store.log.recent("a"));
  assert.deepEqual([base.version, events.length], [56, 1]);
  assert.deepEqual(base, fold(await eventsOf(store.log, "a").then((all) => all.slice(0, 56))));
  assert.deepEqual(await right(store.log.checkDerived("a")), []);
});

Deno.test("a cache that cannot be written stops no append, and leaves no file behind", async () => {
  await using store = await temporaryLog();
  await record(store.log, "a", [started]);
  await Deno.mkdir(`${cachePath(store)}/in the way`, { recursive: true });
  await record(store.log, "a", history.slice(1));
  assert.deepEqual(await eventsOf(store.log, "a"), history);
  assert.deepEqual(namesIn(store.run), ["lock", "log", "state.json"]);
});

Deno.test("what a crash left of a cache is written over, and a link in its place is not followed", async () => {
  await using store = await temporaryLog();
  await record(store.log, "a", [started]);
  await Deno.writeTextFile(`${store.parent}/precious`, "precious");
  await Deno.symlink(`${store.parent}/precious`, `${store.run}/.tmp-state.json`);
  await Deno.symlink(`${store.parent}/precious`, cachePath(store));
  await record(store.log, "a", history.slice(1));
  assert.equal((await right(store.log.recent("a"))).base.version, 4);
  assert.deepEqual(namesIn(store.run), ["lock", "log", "state.json"]);
  assert.equal(await Deno.readTextFile(`${store.parent}/precious`), "precious");
});

Deno.test("checkDerived() finds a state that is not the fold, though all its digests are right", async () => {
  await using store = await temporaryLog();
  await record(store.log, "a", history);
  const good = await cacheText(store);
  await forge(store, good, { state: { ...cacheOf(good).state, step: 7 } });
  const [flaw] = await right(store.log.checkDerived("a"));
  assert.match(flaw!, /^state\.json: expected the fold of the first 4 events, found another/);
});

Deno.test("rebuildDerived() writes the cache that the writer would have written", async () => {
  for (const [what, spoil] of Object.entries(unusable)) {
    if (what === "is missing" || what === "is a directory") continue;
    await using store = await temporaryLog({ segmentBytes: 1000 });
    await record(store.log, "a", history);
    const good = await cacheText(store);
    await spoil(store, good);
    assert.deepEqual(await right(store.log.rebuildDerived("a")), ["state.json was written anew"]);
    assert.equal(await cacheText(store), good, what);
    assert.deepEqual(await right(store.log.rebuildDerived("a")), []);
  }
});

Deno.test("rebuildDerived() removes a cache that has nothing to hold", async () => {
  await using store = await temporaryLog();
  await record(store.log, "a", [started]);
  await Deno.writeTextFile(cachePath(store), "{}");
  assert.deepEqual(await right(store.log.rebuildDerived("a")), ["state.json was removed"]);
  assert.deepEqual(namesIn(store.run), ["lock", "log"]);
});

Deno.test("rebuildDerived() waits for no writer, and repairs no log that has lost events", async () => {
  await using store = await temporaryLog();
  await record(store.log, "a", history);
  const good = await cacheText(store);
  const writer = await right(store.log.open("a"));
  await Deno.writeTextFile(cachePath(store), "{}");
  assert.equal((await left(store.log.rebuildDerived("a"))).type, "RunLocked");
  await right(writer.close());
  await Deno.writeTextFile(cachePath(store), good);
  await Deno.truncate(store.segment(0), 100);
  assert.equal((await left(store.log.rebuildDerived("a"))).type, "LogDamaged");
  assert.equal(await cacheText(store), good);
});

Deno.test("a log in files that knows no caches is opened as before: they are made as it goes on", async () => {
  await using store = await temporaryLog();
  await record(store.log, "a", history);
  const good = await cacheText(store);
  await Deno.remove(cachePath(store));
  const plain = fileEventLog(store.root);
  await record(plain, "a", [stepTaken(5)]);
  assert.deepEqual(namesIn(store.run), ["lock", "log"]);
  await record(plain, "a", [snapshotTaken(5)]);
  assert.notEqual(await cacheText(store), good);
  assert.equal((await right(plain.recent("a"))).base.version, 8);
});

async function assertLost(
  { log, run }: TemporaryLog,
  position: number,
  place: string,
): Promise<void> {
  for (const work of [log.recent("a"), log.open("a"), log.checkDerived("a")]) {
    const error = await left(work);
    assert.ok(error.type === "LogDamaged", JSON.stringify(error));
    assert.deepEqual([error.position, error.place], [position, place]);
    assert.match(error.reason, new RegExp(`the 4 events .* found ${position}$`));
    const remedy = position === 0
      ? /^move the run's directory/
      : new RegExp(`^delete state.json to go on from the ${position} events that are left`);
    assert.match(error.withoutBackup!, remedy);
  }
  await Deno.remove(`${run}/lock`).catch(() => undefined);
}

function fold(events: readonly RunEvent[]): RunState {
  return events.reduce(evolve, initialState);
}

function cachePath({ run }: TemporaryLog): string {
  return `${run}/state.json`;
}

async function cacheText(store: TemporaryLog): Promise<string> {
  return await Deno.readTextFile(cachePath(store));
}

function cacheOf(text: string): StateCache & { readonly format: number } {
  return JSON.parse(text);
}

/** Writes a cache with other members whose digest is right again. */
async function forge(store: TemporaryLog, good: string, changes: object): Promise<void> {
  const { digest: _, ...body } = { ...JSON.parse(good), ...changes };
  const digest = createHash("sha256").update(canonicalize(body)!).digest("hex");
  await Deno.writeTextFile(cachePath(store), canonicalize({ ...body, digest })!);
}

function namesIn(directory: string): readonly string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
}
