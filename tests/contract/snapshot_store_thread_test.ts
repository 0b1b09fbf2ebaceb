import assert from "node:assert/strict";
import { thread } from "../../src/adapters/file_objects/thread.ts";
import { packSnapshot } from "../../src/codec/snapshot_codec.ts";
import { assertSame, floats, snapshotOf } from "../../src/testing/sample_snapshots.ts";
import { keep, left, right } from "../../src/testing/snapshot_answers.ts";
import { makeStore, namesIn, smallSnapshot } from "../support/snapshot_files.ts";

const repository = new URL("../../", import.meta.url).pathname;

Deno.test("put() blocks the caller's thread for next to nothing", async () => {
  await using files = await makeStore();
  await keep(files.store, "a", smallSnapshot()); // the thread is there
  const large = () => floats(new Float32Array(2 ** 22).fill(0.5));
  const start = performance.now();
  const putting = files.store.put("a", snapshotOf(1, { model: { large: large() } }))();
  let blocked = performance.now() - start;
  let done = false;
  const stored = putting.finally(() => done = true);
  while (!done) {
    const before = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 1));
    blocked = Math.max(blocked, performance.now() - before - 1);
  }
  const total = performance.now() - start;
  (await right(() => stored)).release();
  assert.ok(blocked < total / 2, `${blocked} of ${total} ms`);
});

Deno.test("put() takes the tensors' memory along, and gives the same memory back", async () => {
  await using files = await makeStore();
  const shared = new Float32Array(10);
  const tensors = {
    a: floats(shared.subarray(0, 3)),
    b: floats(shared.subarray(5)),
    c: floats([1, 2]),
  };
  const putting = keep(files.store, "a", snapshotOf(1, { model: tensors }));
  const { groups } = await putting;
  assert.equal(shared.length, 0, "the memory was copied");
  const [a, b, c] = ["a", "b", "c"].map((name) => groups["model"]!.get(name)!.data);
  assert.equal(a!.buffer, b!.buffer, "what was one buffer is one again");
  assert.deepEqual([a!.byteOffset, b!.byteOffset, a!.buffer.byteLength], [0, 20, 40]);
  assert.deepEqual([...c!], [1, 2]);
});

Deno.test("put() takes memory that threads share", async () => {
  await using files = await makeStore();
  const data = new Float32Array(new SharedArrayBuffer(8)) as unknown as Float32Array<ArrayBuffer>;
  data.set([1, 2]);
  const { id } = await keep(files.store, "a", snapshotOf(1, { model: { w: floats(data) } }));
  assertSame(await right(files.store.get(id)), snapshotOf(1, { model: { w: floats([1, 2]) } }));
});

Deno.test("put() of memory that has gone elsewhere rejects, and holds nothing up", async () => {
  await using files = await makeStore();
  const snapshot = smallSnapshot();
  await keep(files.store, "a", snapshot);
  await assert.rejects(right(files.store.put("a", snapshot)));
  await keep(files.store, "a", smallSnapshot());
});

for (const compress of ["none", "zstd", "zstd-delta"] as const) {
  for (const part of ["model", "optimizer", "manifest"]) {
    Deno.test(`a ${part} that cannot be written is SnapshotsUnavailable, and leaves nothing behind (${compress})`, async () => {
      await using files = await makeStore(compress);
      const of = (step: number) =>
        snapshotOf(step, { model: { w: floats([step]) }, optimizer: { m: floats([-step]) } });
      const { id, manifest } = packSnapshot(of(2));
      const digest = manifest.files[part]?.digest ?? id;
      const place = `${files.root}/objects/${digest.slice(0, 2)}`;
      for (const before of [[], [1]]) { // digested first, and written while it is digested
        for (const step of before) await keep(files.store, "a", of(step));
        const there = await right(files.store.list());
        await Deno.mkdir(`${files.root}/objects`, { recursive: true });
        await Deno.symlink(files.parent, place); // nothing is written below a link
        const error = await left(files.store.put("a", of(2)));
        assert.ok(error.type === "SnapshotsUnavailable", JSON.stringify(error));
        assert.match(error.reason, /symbolic link/);
        assert.deepEqual(await right(files.store.list()), there, "a manifest without its files");
        assert.ok(namesIn(`${files.root}/objects`).every((name) => !name.startsWith(".tmp-")));
        await Deno.remove(place);
        assert.equal((await keep(files.store, "a", of(2))).id, id);
        assertSame(await right(files.store.get(id)), of(2));
        for (const { path } of files.objects().values()) await Deno.remove(path);
        await Deno.remove(place);
      }
    });
  }
}

Deno.test("a thread that ends rejects what was asked, and the next request begins a new one", async () => {
  const module = (text: string) => new URL(`data:text/javascript,${encodeURIComponent(text)}`);
  const fickle = thread<string, string>(
    module(`
      import { parentPort } from "node:worker_threads";
      let answered = 0;
      parentPort.on("message", (request) => {
        if (request === "throw") setTimeout(() => { throw new Error("broken"); });
        else if (request === "exit") setTimeout(() => Deno.exit(3));
        else parentPort.postMessage({ answer: request + ++answered });
      });
    `),
    "is fickle",
  );
  for (const way of ["throw", "exit"]) {
    assert.equal(await fickle.ask("hello", []), "hello1");
    const lost = [fickle.ask(way, []), fickle.ask(way, [])];
    for (const ask of lost) {
      await assert.rejects(ask, (error: Error) => {
        assert.ok(error instanceof Deno.errors.BrokenPipe, String(error));
        assert.match(error.message, /the thread that is fickle has ended/);
        return true;
      });
    }
  }
  assert.equal(await fickle.ask("again", []), "again1");
  await new Promise((resolve) => setTimeout(resolve, 100)); // the last of those that ended is told of
  assert.equal(await fickle.ask("again", []), "again2", "another thread was begun");
  const missing = thread(new URL("./no_such_module.ts", import.meta.url), "is not there");
  await assert.rejects(missing.ask("hello", []), Deno.errors.BrokenPipe);
});

Deno.test("a process ends by itself, though it has stored a snapshot, and not before it is stored", async () => {
  await using files = await makeStore();
  const script = `
    import { fileSnapshotStore } from "${repository}src/adapters/file_objects/file_snapshot_store.ts";
    import { floats, snapshotOf } from "${repository}src/testing/sample_snapshots.ts";
    const store = fileSnapshotStore(${JSON.stringify(files.root)});
    const large = floats(new Float32Array(2 ** 20));
    store.put("a", snapshotOf(1, { model: { large } }))().then(({ right }) => {
      right.release();
      console.log(right.id);
    });
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--no-prompt", "--allow-read", "--allow-write", "--allow-env", "-"],
    cwd: repository,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(script));
  await input.close();
  const { code, stdout } = await child.output();
  const id = new TextDecoder().decode(stdout).trim();
  assert.equal(code, 0);
  const large = floats(new Float32Array(2 ** 20));
  assertSame(await right(files.store.get(id)), snapshotOf(1, { model: { large } }));
});
