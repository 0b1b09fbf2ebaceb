import assert from "node:assert/strict";
import { fileEventLog } from "../../src/adapters/file_log/file_event_log.ts";
import { encodeLine, seal } from "../../src/codec/envelope_codec.ts";
import type { RunEvent } from "../../src/core/event.ts";
import type { LogError } from "../../src/ports/event_log.ts";
import { eventsOf, left, record, right } from "../../src/testing/log_answers.ts";
import { everyEvent, started, stepTaken } from "../../src/testing/sample_events.ts";
import { setClock } from "../../src/testing/set_clock.ts";
import { randomFrom } from "../support/random.ts";
import { commandLine, repository } from "../support/run_cli.ts";
import { linesOf, temporaryLog, wholeLog } from "../support/temporary_log.ts";

const SEGMENT = "00000000.jsonl";

Deno.test("fileEventLog() keeps each envelope as one line of canonical JSON", async () => {
  await using store = await temporaryLog();
  const appended = await record(store.log, "a", everyEvent);
  const lines = appended.map((recorded) => `${encodeLine(recorded)}\n`);
  assert.equal(await Deno.readTextFile(store.segment(0)), lines.join(""));
});

Deno.test("fileEventLog() leaves a torn last line out, cuts it on open() and goes on", async () => {
  await using store = await temporaryLog();
  const whole = await record(store.log, "a", [started, stepTaken(1), stepTaken(2, NaN)]);
  const bytes = await Deno.readFile(store.segment(0));
  const kept = linesOf(whole.slice(0, 2)).length;
  for (let length = kept; length < bytes.length; length++) {
    await Deno.writeFile(store.segment(0), bytes.subarray(0, length));
    const left = length - kept;
    const torn = left === 0
      ? {}
      : { torn: { position: 2, bytes: left, place: `${SEGMENT} line 3` } };
    const expected = { ...wholeLog(whole.slice(0, 2)), ...torn };
    assert.deepEqual(await right(store.log.read("a")), expected);
    assert.equal((await Deno.stat(store.segment(0))).size, length, "read() changes nothing");

    const writer = await right(store.log.open("a"));
    assert.deepEqual(writer.contents, expected);
    assert.equal((await Deno.stat(store.segment(0))).size, kept, "open() cuts");
    const added = await right(writer.append([stepTaken(2, NaN), stepTaken(3)], 2));
    await right(writer.close());
    assert.deepEqual(await right(store.log.read("a")), wholeLog([...whole.slice(0, 2), ...added]));
  }
});

Deno.test("fileEventLog() cuts a last line that the file system filled with zeros", async () => {
  await using store = await temporaryLog();
  const whole = await record(store.log, "a", [started, stepTaken(1)]);
  await Deno.writeFile(store.segment(0), new Uint8Array(700), { append: true });
  const { events, torn } = await right(store.log.read("a"));
  assert.deepEqual({ events, torn }, {
    events: whole,
    torn: { position: 2, bytes: 700, place: `${SEGMENT} line 3` },
  });
  await record(store.log, "a", [stepTaken(2)]);
  assert.deepEqual(await eventsOf(store.log, "a"), [started, stepTaken(1), stepTaken(2)]);
});

for (const length of [0, 1, 100]) {
  Deno.test(`fileEventLog() knows no run of which ${length} bytes and no event are left`, async () => {
    await using store = await temporaryLog();
    await record(store.log, "a", [started]);
    await Deno.truncate(store.segment(0), length);
    assert.deepEqual(await right(store.log.runs()), []);
    assert.deepEqual((await right(store.log.read("a"))).events, []);
    const [first] = await record(store.log, "a", [started]);
    assert.ok(first!.position === 0 && first!.session === 1);
    assert.deepEqual(await right(store.log.runs()), ["a"]);
    assert.deepEqual(await right(store.log.read("a")), wholeLog([first!]));
  });
}

Deno.test("fileEventLog() finds every flipped byte, and names its position and line", async () => {
  await using store = await temporaryLog();
  await record(store.log, "a", [started, stepTaken(1, -0), stepTaken(2)]);
  const bytes = await Deno.readFile(store.segment(0));
  const seed = newSeed();
  const random = randomFrom(seed);
  let line = 1;
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at]! ^= 1 << Math.floor(random() * 8);
    const where = `byte ${at}, seed ${seed}`;
    await Deno.writeFile(store.segment(0), damaged);
    assertDamaged(await left(store.log.read("a")), line, where);
    if (at % 16 === 0 || bytes[at] === LINE_BREAK) {
      assertDamaged(await left(store.log.open("a")), line, where);
    }
    assert.deepEqual(await Deno.readFile(store.segment(0)), damaged, `${where} was repaired`);
    if (bytes[at] === LINE_BREAK) line++;
  }
});

Deno.test("fileEventLog() finds bytes that are no UTF-8, though they would read as what was there", async () => {
  await using store = await temporaryLog();
  const failed: RunEvent = { type: "RunFailed", data: { step: 0, message: "\ufffd" } };
  await record(store.log, "a", [started, failed]);
  const bytes = await Deno.readFile(store.segment(0));
  const at = bytes.indexOf(0xef);
  const changed = Uint8Array.of(...bytes.subarray(0, at), 0xff, ...bytes.subarray(at + 3));
  await Deno.writeFile(store.segment(0), changed);
  const error = await left(store.log.read("a"));
  assert.ok(error.type === "LogDamaged" && error.position === 1, JSON.stringify(error));
});

Deno.test("fileEventLog() finds a line that is lost, doubled, moved, added or from another run", async () => {
  await using store = await temporaryLog();
  const whole = await record(store.log, "a", [started, stepTaken(1), stepTaken(2), stepTaken(3)]);
  const [zero, one, two, three] = whole.map((recorded) => linesOf([recorded]));
  const other = setClock("2026-07-02T00:00:00.000Z");
  const alien = await record(fileEventLog(store.root, { clock: other }), "b", [
    started,
    stepTaken(1),
  ]);
  const stranger = linesOf([alien[1]!]);
  const cases: readonly (readonly [string, string, number])[] = [
    ["the first lost", one! + two! + three!, 0],
    ["one lost", zero! + two! + three!, 1],
    ["one doubled", zero! + one! + one! + two! + three!, 2],
    ["two exchanged", zero! + two! + one! + three!, 1],
    ["an empty line", zero! + one! + "\n" + two! + three!, 2],
    ["an empty line at the end", zero! + one! + two! + three! + "\n", 4],
    ["a line of another run", zero! + stranger + two! + three!, 1],
    ["a carriage return", zero! + one!.replace("\n", "\r\n") + two! + three!, 1],
    ["a space", zero! + one!.replace("{", "{ ") + two! + three!, 1],
    ["other JSON", zero! + "null\n" + two! + three!, 1],
    ["a byte order mark", "\ufeff" + zero! + one! + two! + three!, 0],
  ];
  for (const [what, text, position] of cases) {
    await Deno.writeTextFile(store.segment(0), text);
    const error = await left(store.log.read("a"));
    assert.ok(error.type === "LogDamaged", `${what}: ${JSON.stringify(error)}`);
    assert.deepEqual([error.position, error.place], [position, `${SEGMENT} line ${position + 1}`]);
    assert.equal((await left(store.log.open("a"))).type, "LogDamaged");
  }
});

Deno.test("fileEventLog() says what is wrong with a damaged line in words for people", async () => {
  await using store = await temporaryLog();
  const whole = await record(store.log, "a", [started, stepTaken(1)]);
  const [first, second] = whole.map((recorded) => linesOf([recorded]));
  for (
    const [good, bad] of [
      [/"digest":"\w+",/, ""],
      ['"step":1', '"step":1.5'],
      ['"step":1', '"steps":1'],
      ['"step":1', '"step":null'],
      ["StepTaken", "StepGiven"],
      [/"event":.*},"format"/, '"event":{},"format"'],
      [/.*/, "[]"],
    ] as const
  ) {
    const line = second!.replace(good, bad);
    assert.notEqual(line, second);
    await Deno.writeTextFile(store.segment(0), first! + line);
    const error = await left(store.log.read("a"));
    assert.ok(error.type === "LogDamaged" && error.position === 1, JSON.stringify(error));
    assert.match(error.reason, /expected|found/i);
    assert.doesNotMatch(error.reason, /undefined|\[object|supplied to/);
  }
});

Deno.test("fileEventLog() refuses an event whose digest was made to fit, but not its place", async () => {
  await using store = await temporaryLog();
  const whole = await record(store.log, "a", [started, stepTaken(1), stepTaken(2)]);
  const other = seal(whole[0], stepTaken(1, 0), whole[1]!); // what follows it names another
  const skipping = seal({ ...whole[0]!, position: 1 }, stepTaken(1), whole[1]!);
  for (const [forged, position] of [[other, 2], [skipping, 1]] as const) {
    await Deno.writeTextFile(store.segment(0), linesOf([whole[0]!, forged, whole[2]!]));
    const error = await left(store.log.read("a"));
    assert.ok(error.type === "LogDamaged" && error.position === position, JSON.stringify(error));
  }
});

Deno.test("fileEventLog() says that a log is of a newer format, and leaves it as it is", async () => {
  await using store = await temporaryLog();
  const whole = await record(store.log, "a", [started, stepTaken(1)]);
  const newer = JSON.stringify({ format: 3, whatever: ["this", "version", "cannot", "know"] });
  await Deno.writeTextFile(store.segment(0), `${linesOf(whole)}${newer}\n`);
  const before = await Deno.readFile(store.segment(0));
  const expected = { type: "NewerLog", run: "a", place: `${SEGMENT} line 3`, found: 3, known: 2 };
  assert.deepEqual(await left(store.log.read("a")), expected);
  assert.deepEqual(await left(store.log.open("a")), expected);
  assert.deepEqual(await Deno.readFile(store.segment(0)), before);
});

Deno.test("fileEventLog() is not disturbed by files that are none of its own", async () => {
  await using store = await temporaryLog();
  await record(store.log, "a", [started]);
  for (const name of ["00000001.jsonl.bak", ".tmp-1", "1.jsonl", "notes.txt"]) {
    await Deno.writeTextFile(`${store.root}/a/log/${name}`, "no log");
  }
  await Deno.writeTextFile(`${store.root}/file`, "no run");
  await Deno.mkdir(`${store.root}/empty/log`, { recursive: true });
  await Deno.mkdir(`${store.root}/objects/log`, { recursive: true });
  await Deno.writeTextFile(`${store.root}/objects/log/${SEGMENT}`, "");
  assert.deepEqual(await right(store.log.runs()), ["a"]);
  await record(store.log, "a", [stepTaken(1)]);
  assert.deepEqual(await eventsOf(store.log, "a"), [started, stepTaken(1)]);
});

Deno.test("fileEventLog() keeps an archived run's log where it says, readable", async () => {
  await using store = await temporaryLog();
  const whole = await record(store.log, "a", [started, stepTaken(1)]);
  const name = await right(store.log.archive("a"));
  const bytes = await Deno.readTextFile(`${store.root}/${name}/log/${SEGMENT}`);
  assert.equal(bytes, linesOf(whole));
  const slash = name.lastIndexOf("/");
  const archive = fileEventLog(`${store.root}/${name.slice(0, slash)}`);
  assert.deepEqual(await right(archive.runs()), [name.slice(slash + 1)]);
  assert.deepEqual(await right(archive.read(name.slice(slash + 1))), wholeLog(whole));
});

Deno.test("fileEventLog() archives a run with the longest name under a name that can be read", async () => {
  await using store = await temporaryLog();
  const run = "x".repeat(64);
  const whole = await record(store.log, run, [started]);
  const name = await right(store.log.archive(run));
  const slash = name.lastIndexOf("/");
  const archive = fileEventLog(`${store.root}/${name.slice(0, slash)}`);
  assert.deepEqual(await right(archive.read(name.slice(slash + 1))), wholeLog(whole));
});

for (const [what, below] of [["a file", "file"], ["a link to nothing", "link"]] as const) {
  Deno.test(`fileEventLog() says that it cannot write below ${what}`, async () => {
    await using store = await temporaryLog();
    await Deno.mkdir(store.root);
    await Deno.writeTextFile(`${store.root}/file`, "");
    await Deno.symlink(`${store.root}/nothing`, `${store.root}/link`);
    for (const root of [`${store.root}/${below}`, `${store.root}/${below}/deeper`]) {
      const process = startHolder(root); // a process of its own can be ended should it never answer
      const answer = await Promise.race([process.answer, after(5000)]);
      await process.kill();
      const error = JSON.parse(answer ?? "null");
      assert.equal(error?.type, "LogUnavailable", answer ?? "no answer in 5 s");
      assert.ok(error.place.startsWith(root), error.place);
      assert.match(error.action, /open/);
      assert.match(error.reason, /\S/);
    }
  });
}

Deno.test({
  name: "fileEventLog() says that a directory is not writable",
  ignore: Deno.build.os === "windows" || mayWriteAnywhere(),
  async fn() {
    await using store = await temporaryLog();
    await Deno.mkdir(store.root, { recursive: true });
    await Deno.chmod(store.root, 0o555);
    const error = await left(store.log.open("a"));
    assert.ok(error.type === "LogUnavailable" && error.place === `${store.root}/a`);
    await Deno.chmod(store.root, 0o755);
  },
});

Deno.test("fileEventLog() accepts nothing more from a writer whose append failed", async () => {
  await using store = await temporaryLog();
  const writer = await right(store.log.open("a"));
  await Deno.mkdir(store.segment(0)); // in the place of the segment that append would make
  assert.equal((await left(writer.append([started], 0))).type, "LogUnavailable");
  await Deno.remove(store.segment(0));
  assert.equal((await left(writer.append([started], 0))).type, "LogUnavailable");
  await right(writer.close());
  await record(store.log, "a", [started]);
  assert.deepEqual(await eventsOf(store.log, "a"), [started]);
});

Deno.test("fileEventLog() refuses ids that are no run's name, and touches nothing", async () => {
  await using store = await temporaryLog();
  await Deno.mkdir(store.root, { recursive: true });
  const outside = fileEventLog(store.parent);
  await record(outside, "x", [started]);
  const before = [...Deno.readDirSync(store.parent)].map(({ name }) => name).sort();
  const ids = ["../x", "..", ".", "", "a/b", "a\\b", "/etc", ".archive", "objects", "a\0b", "a b"];
  for (const id of [...ids, "x".repeat(65), "-a", "a.", "\u00e9"]) {
    for (const work of [store.log.read(id), store.log.open(id), store.log.archive(id)]) {
      const error = await left(work);
      assert.ok(error.type === "LogUnavailable", `${id}: ${JSON.stringify(error)}`);
      assert.equal(error.place.includes(id), true);
    }
  }
  assert.deepEqual([...Deno.readDirSync(store.root)], []);
  assert.deepEqual([...Deno.readDirSync(store.parent)].map(({ name }) => name).sort(), before);
  assert.deepEqual(await eventsOf(outside, "x"), [started]);
});

Deno.test("of processes that open a run at once, exactly one gets it", async () => {
  await using store = await temporaryLog();
  const rivals = Array.from({ length: 3 }, () => startHolder(store.root));
  const answers = await Promise.all(rivals.map(({ answer }) => answer));
  const holders = answers.flatMap((answer, index) => answer === "held" ? [rivals[index]!.pid] : []);
  assert.equal(holders.length, 1, answers.join(" | "));
  for (const answer of answers.filter((answer) => answer !== "held")) {
    const { type, holder } = JSON.parse(answer);
    assert.equal(type, "RunLocked");
    assert.match(holder, new RegExp(`^process ${holders[0]} since \\d{4}-|has not said`));
  }
  const error = await left(store.log.open("a"));
  assert.ok(error.type === "RunLocked" && error.holder.includes(`process ${holders[0]} `));
  for (const { kill } of rivals) await kill();
});

Deno.test("a holder that is killed leaves its events and does not block the next", async () => {
  await using store = await temporaryLog();
  for (let times = 1; times <= 2; times++) {
    const holder = startHolder(store.root);
    assert.equal(await holder.answer, "held");
    assert.equal((await left(store.log.open("a"))).type, "RunLocked");
    await holder.kill();
    const { events, torn } = await right(store.log.read("a"));
    assert.deepEqual(events.map(({ session }) => session), [1, 2].slice(0, times));
    assert.equal(torn, undefined);
  }
  await record(store.log, "a", [stepTaken(1)]);
});

Deno.test("what a lock says of its holder is one short line without control characters", async () => {
  await using store = await temporaryLog();
  const cases: readonly (readonly [string, string])[] = [
    ["", "a process that has not said who it is"],
    ["\n\n", "a process that has not said who it is"],
    ["process 1 \u001b[31mred\u0007\u009b since now\r\nmore", "process 1 [31mred since now"],
    ["x".repeat(1e6), "x".repeat(200)],
    ["\ufffd\ufffe", "\ufffd\ufffe"],
  ];
  for (const [text, expected] of cases) {
    const holder = startHolder(store.root);
    assert.equal(await holder.answer, "held");
    await Deno.writeTextFile(`${store.run}/lock`, text);
    const error = await left(store.log.open("a"));
    assert.ok(error.type === "RunLocked" && error.holder === expected, JSON.stringify(error));
    await holder.kill();
    await record(store.log, "a", [stepTaken(1)]); // what a dead process left there blocks nobody
  }
});

const LINE_BREAK = 10;

/** A flipped byte in line `line` may be found there, or by what follows it where a line break came or went. */
function assertDamaged(error: LogError, line: number, where: string): void {
  const text = `${where}: ${JSON.stringify(error)}`;
  assert.ok(error.type === "LogDamaged" || error.type === "NewerLog", text);
  assert.equal(error.place, `${SEGMENT} line ${line}`, text);
  if (error.type === "LogDamaged") {
    assert.equal(error.position, line - 1, text);
    assert.match(error.reason, /\S/, text);
  }
}

/** A process that opens run "a", appends to it, says "held" or the error, and holds on. */
function startHolder(root: string): {
  readonly pid: number;
  readonly answer: Promise<string>;
  readonly kill: () => Promise<void>;
} {
  const [deno, ...flags] = commandLine().slice(0, -1);
  const child = new Deno.Command(deno!, {
    args: [...flags, "--config", `${repository}/deno.json`, "-", root],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const source = holderSource(`${repository}/src/adapters/file_log/file_event_log.ts`, started);
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  return {
    pid: child.pid,
    answer: (async () => {
      const input = child.stdin.getWriter();
      await input.write(new TextEncoder().encode(source));
      await input.close();
      return (await output.read()).value?.trim() ?? "nothing";
    })(),
    async kill() {
      child.kill("SIGKILL");
      await child.status;
      await output.cancel();
    },
  };
}

function holderSource(module: string, event: RunEvent): string {
  return `
    import { fileEventLog } from "file://${module}";
    const opened = await fileEventLog(Deno.args[0]).open("a")();
    if (opened._tag === "Left") console.log(JSON.stringify(opened.left));
    else {
      const version = opened.right.contents.base.version + opened.right.contents.events.length;
      const appended = await opened.right.append([${JSON.stringify(event)}], version)();
      console.log(appended._tag === "Right" ? "held" : JSON.stringify(appended.left));
    }
    setInterval(() => undefined, 1000);
  `;
}

/** Whether permission bits do not hold for this user, as for root. */
function mayWriteAnywhere(): boolean {
  const directory = Deno.makeTempDirSync();
  try {
    Deno.chmodSync(directory, 0o555);
    Deno.mkdirSync(`${directory}/below`);
    return true;
  } catch {
    return false;
  } finally {
    Deno.chmodSync(directory, 0o755);
    Deno.removeSync(directory, { recursive: true });
  }
}

async function after(milliseconds: number): Promise<undefined> {
  await new Promise((resolve) => Deno.unrefTimer(Number(setTimeout(resolve, milliseconds))));
}

function newSeed(): number {
  const seed = Number(Deno.env.get("FOLDLOG_TEST_SEED") ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed} (FOLDLOG_TEST_SEED=${seed} repeats it)`);
  return seed;
}
