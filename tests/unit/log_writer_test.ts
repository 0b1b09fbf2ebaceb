import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import type { Durability } from "../../src/core/durability.ts";
import type { RunEvent } from "../../src/core/event.ts";
import { eventsOf, left, record, right } from "../../src/testing/log_answers.ts";
import { snapshotTaken, started, stepTaken } from "../../src/testing/sample_events.ts";
import { linesOf, temporaryLog, withFileMethod } from "../support/temporary_log.ts";

const everyMs: Durability = { type: "every-ms", milliseconds: 100 };

Deno.test("a write that the system cuts short is gone on with", async () => {
  await using store = await temporaryLog();
  using _ = withFileMethod("writeSync", (write) =>
    function (this: Deno.FsFile, bytes) {
      return write.call(this, bytes.subarray(0, 7));
    });
  const whole = await record(store.log, "a", [started, stepTaken(1), stepTaken(2)]);
  assert.equal(await Deno.readTextFile(store.segment(0)), linesOf(whole));
});

for (const method of ["writeSync", "syncDataSync"] as const) {
  Deno.test(`after a failed ${method} the writer accepts nothing, and leaves nothing half written`, async () => {
    await using store = await temporaryLog();
    const before = await record(store.log, "a", [started, stepTaken(1)]);
    const writer = await right(store.log.open("a"));
    const fault = failing(method);
    const pending = [2, 3, 4].map((step) => writer.append([stepTaken(step)], step)());
    for (const result of await Promise.all(pending)) assertUnavailable(result, /os error 5/);
    fault[Symbol.dispose]();
    assertUnavailable(await writer.append([stepTaken(2)], 2)(), /open the run again/);
    assertUnavailable(await writer.append([stepTaken(5)], 5)(), /open the run again/);
    assertUnavailable(await writer.flush()(), /open the run again/);
    assert.equal(await Deno.readTextFile(store.segment(0)), linesOf(before));
    await right(writer.close()); // the appends have told already
    const added = await record(store.log, "a", [stepTaken(2)]);
    assert.equal(await Deno.readTextFile(store.segment(0)), linesOf([...before, ...added]));
  });
}

Deno.test("close() tells that what was appended could not be made durable, and gives the lease back", async () => {
  await using store = await temporaryLog({ durability: everyMs });
  const writer = await right(store.log.open("a"));
  const appended = writer.append([started], 0)();
  {
    using _ = failing("syncData");
    assertUnavailable(await writer.close()(), /os error 5/);
    assertUnavailable(await writer.close()(), /os error 5/);
  }
  assertUnavailable(await appended, /os error 5/);
  await record(store.log, "a", [started, stepTaken(1)]);
  assert.deepEqual(await eventsOf(store.log, "a"), [started, stepTaken(1)]);
});

Deno.test("an append that failed and was never looked at ends no process", async () => {
  await using store = await temporaryLog();
  const writer = await right(store.log.open("a"));
  {
    using _ = failing("syncDataSync");
    void writer.append([started], 0)(); // an unhandled rejection would fail this test
    await writer.flush()();
  }
  await right(writer.close());
});

Deno.test("with every-ms an append is acknowledged only after the sync of its line", async () => {
  await using store = await temporaryLog({ durability: { type: "every-ms", milliseconds: 5 } });
  const writer = await right(store.log.open("a"));
  await right(writer.append([started], 0));
  const done: string[] = [];
  using _ = withFileMethod("syncData", (sync) =>
    async function (this: Deno.FsFile) {
      done.push(await Deno.readTextFile(store.segment(0)));
      await sync.call(this);
      done.push("synced");
    });
  const appends = [1, 2, 3].map((step) =>
    right(writer.append([stepTaken(step)], step)).then(() => done.push(`acknowledged ${step}`))
  );
  await Promise.all(appends);
  const acknowledged = [1, 2, 3].map((step) => `acknowledged ${step}`);
  assert.deepEqual(done.slice(1), ["synced", ...acknowledged], "one sync for all");
  assert.equal(done[0], linesOf((await right(store.log.read("a"))).events));
  await right(writer.close());
});

Deno.test("a writer that finds bytes that are not its own appends nothing after them", async () => {
  await using store = await temporaryLog();
  const writer = await right(store.log.open("a"));
  await right(writer.append([started], 0));
  await Deno.writeTextFile(store.segment(0), "{", { append: true });
  const before = await Deno.readFile(store.segment(0));
  assertUnavailable(await writer.append([stepTaken(1)], 1)(), /someone else writes/);
  assertUnavailable(await writer.append([stepTaken(1)], 1)(), /someone else writes.*open the run/);
  await right(writer.close());
  assert.deepEqual(await Deno.readFile(store.segment(0)), before, "they are not cut off");
});

Deno.test("a writer that finds the next segment there already writes nothing", async () => {
  await using store = await temporaryLog({ segmentBytes: 1 });
  const writer = await right(store.log.open("a"));
  await right(writer.append([started], 0));
  await Deno.writeTextFile(store.segment(1), "not mine\n");
  assertUnavailable(await writer.append([stepTaken(1)], 1)(), /exists/);
  await right(writer.close());
  assert.equal(await Deno.readTextFile(store.segment(1)), "not mine\n");
});

Deno.test("an event that cannot be written is a defect, and is no end of the writing", async () => {
  await using store = await temporaryLog();
  const writer = await right(store.log.open("a"));
  await right(writer.append([started], 0));
  const broken: RunEvent = { type: "RunFailed", data: { step: 0, message: "\ud800" } };
  const huge: RunEvent = { type: "RunFailed", data: { step: 0, message: "x".repeat(2 ** 24) } };
  await assert.rejects(writer.append([stepTaken(1), broken], 1), /lone surrogate/);
  await assert.rejects(writer.append([huge], 1), /at most 16777216/);
  await right(writer.append([stepTaken(1)], 1));
  await right(writer.close());
  assert.deepEqual(await eventsOf(store.log, "a"), [started, stepTaken(1)]);
});

Deno.test("what a dead writer left unsynced is synced before anything follows it", async () => {
  await using store = await temporaryLog({ segmentBytes: 1 });
  await record(store.log, "a", [started]);
  using syncs = recordSyncs();
  const writer = await right(store.log.open("a"));
  assert.deepEqual(syncs.order.slice(-2), ["file", "directory"]);
  await right(writer.close());
});

Deno.test("a segment's name is durable before its first line is written", async () => {
  await using store = await temporaryLog({ segmentBytes: 1 });
  const writer = await right(store.log.open("a"));
  using syncs = recordSyncs();
  for (let version = 0; version < 3; version++) {
    await right(writer.append([version === 0 ? started : stepTaken(version)], version));
  }
  await right(writer.close());
  const round = ["directory", "line", "data"];
  assert.deepEqual(syncs.order, [...round, ...round, ...round]);
});

Deno.test("a writer closes every file that it opened", async () => {
  await using store = await temporaryLog({ segmentBytes: 1 });
  const open = new Set<Deno.FsFile>();
  const { open: openFile } = Deno;
  const { close, [Symbol.dispose]: dispose } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.close = function () {
    open.delete(this);
    close.call(this);
  };
  Deno.FsFile.prototype[Symbol.dispose] = function () {
    open.delete(this);
    dispose.call(this);
  };
  Deno.open = async (...args) => {
    const file = await openFile(...args);
    open.add(file);
    return file;
  };
  try {
    await record(store.log, "a", [started, stepTaken(1), snapshotTaken(1)]);
    await record(store.log, "a", [stepTaken(2), stepTaken(3)]);
    await right(store.log.read("a"));
    await right(store.log.recent("a"));
    const writer = await right(store.log.open("a"));
    assert.equal((await left(store.log.open("a"))).type, "RunLocked");
    await right(writer.close());
    await Deno.truncate(store.segment(4), 5);
    await Deno.writeTextFile(store.segment(3), "damaged\n");
    for (const work of [store.log.open("a"), store.log.read("a")]) await left(work);
  } finally {
    Deno.open = openFile;
    Deno.FsFile.prototype.close = close;
    Deno.FsFile.prototype[Symbol.dispose] = dispose;
  }
  assert.equal(open.size, 0);
});

Deno.test("a lost lease is not given back twice: close() closes what it owns once", async () => {
  await using store = await temporaryLog();
  const writer = await right(store.log.open("a"));
  await right(writer.append([started, stepTaken(1), snapshotTaken(1)], 0));
  assert.deepEqual(await Promise.all([writer.close()(), writer.close()()]), [
    ...[E.right(undefined), E.right(undefined)],
  ]);
  assert.equal((await left(writer.append([stepTaken(2)], 3))).type, "LogUnavailable");
});

/** Notes what is written and synced, in order. */
function recordSyncs(): Disposable & { readonly order: readonly string[] } {
  const order: string[] = [];
  const methods = [
    withFileMethod("sync", (sync) =>
      async function (this: Deno.FsFile) {
        order.push((await this.stat()).isDirectory ? "directory" : "file");
        await sync.call(this);
      }),
    withFileMethod("syncDataSync", (sync) =>
      function (this: Deno.FsFile) {
        order.push("data");
        sync.call(this);
      }),
    withFileMethod("writeSync", (write) =>
      function (this: Deno.FsFile, bytes) {
        order.push("line");
        return write.call(this, bytes);
      }),
  ];
  return { order, [Symbol.dispose]: () => methods.forEach((method) => method[Symbol.dispose]()) };
}

/** Makes a method of files fail as a disk does. */
function failing(method: "writeSync" | "syncData" | "syncDataSync"): Disposable {
  const error = new Error("Input/output error (os error 5)");
  if (method === "syncData") return withFileMethod(method, () => () => Promise.reject(error));
  if (method === "syncDataSync") {
    return withFileMethod(method, () => () => {
      throw error;
    });
  }
  return withFileMethod("writeSync", (write) =>
    function (this: Deno.FsFile, bytes) {
      if (bytes.length < 50) throw error;
      return write.call(this, bytes.subarray(0, bytes.length - 20)); // and then it fails
    });
}

function assertUnavailable(result: E.Either<unknown, unknown>, reason: RegExp): void {
  assert.ok(E.isLeft(result), JSON.stringify(result));
  const error = result.left as { type: string; reason: string };
  assert.equal(error.type, "LogUnavailable");
  assert.match(error.reason, reason);
}
