import assert from "node:assert/strict";
import { findGpuAdapter } from "../../src/adapters/device/tfjs_backend.ts";
import { sha256 } from "../../src/codec/digest.ts";
import { randomFrom } from "../support/random.ts";
import { type CliResult, type Kill, runCli } from "../support/run_cli.ts";

/** A training that takes a second or two. */
interface Setup {
  readonly backend: "wasm" | "webgpu";
  readonly steps: number;
  readonly saveEvery: number;
  readonly evaluateEvery: number;
  /** Samples a step, in micro-batches of four. */
  readonly batch: number;
  readonly channels: number;
  /** When its steps become durable. */
  readonly durability?: string;
}

const wasm: Setup = {
  backend: "wasm",
  steps: 40,
  saveEvery: 7,
  evaluateEvery: 10,
  batch: 4,
  channels: 16,
};

const inGroups: Setup = { ...wasm, durability: "every-ms:50" };

const webgpu: Setup = { ...wasm, backend: "webgpu", steps: 8, saveEvery: 3, evaluateEvery: 4 };

/** The run's name. It is in no event, so runs of different directories can be compared. */
const RUN = "a";

const hasWebGpu = await findGpuAdapter() !== undefined;
const requiresWebGpu = Deno.env.get("FOLDLOG_REQUIRE_WEBGPU") === "1";

const seed = Number(Deno.env.get("FOLDLOG_TEST_SEED") ?? Date.now() % 2 ** 31);
const random = randomFrom(seed);

const directories: string[] = [];
Deno.test.afterAll(async () => {
  for (const directory of directories) await Deno.remove(directory, { recursive: true });
});

/** How often to do it all, for a night's soak. */
const rounds = Number(Deno.env.get("FOLDLOG_KILL_ROUNDS") ?? 1);
const repeated = Array.from({ length: rounds }, () => [wasm, 5] as const);

for (const [setup, kills] of [...repeated, [inGroups, 3], [webgpu, 2]] as const) {
  backendTest(
    setup,
    `killed up to ${kills} times, a run ends equal to one left alone` +
      (setup.durability ? `, durable ${setup.durability}` : ""),
    async () => {
      const untouched = await leftAlone(setup);
      const root = makeRoot();
      let before = "";
      let killed = 0;
      for (let times = 1; times <= kills; times++) {
        const { name, ...moment } = chooseMoment(root, setup);
        console.log(`seed ${seed}, kill ${times}: ${name}`);
        const { code, signal } = await train(root, setup, [{ signal: "SIGKILL", ...moment }]);
        const after = acknowledged(root);
        assert.ok(after.startsWith(before), "a line that was acknowledged is lost or changed");
        before = after;
        assertSnapshotsThere(root);
        if (signal === null) {
          assert.equal(code, 0); // it ended before the moment came
          break;
        }
        killed++;
      }
      assert.ok(killed > 0, "the run was never killed");
      // One more, when all is recorded and only the sample is missing, which takes long on webgpu.
      const when = () => acknowledged(root).includes('"RunCompleted"');
      await train(root, setup, setup.backend === "webgpu" ? [{ signal: "SIGKILL", when }] : []);
      await assertEnds(root, setup);
      assert.deepEqual(await eventsOf(root), untouched.events);
      assert.deepEqual(objectsIn(root), untouched.objects);
      await assertReplays(root, setup);
    },
  );
}

Deno.test("killed while it recomputes, a run loses nothing and ends equal", async () => {
  const setup = { ...wasm, saveEvery: 0 }; // so that everything is recomputed
  const untouched = await leftAlone(setup);
  const root = makeRoot();
  await train(root, setup, [{ signal: "SIGKILL", when: () => lineCount(root) > 30 }]);
  const before = acknowledged(root);
  for (let times = 0; times < 3; times++) {
    const delay = Math.floor(random() * 150);
    const when = /resuming "a" at step \d+ of 40: loaded the initial state; recomputing/;
    const { signal, stdout } = await train(root, setup, [{ signal: "SIGKILL", when, delay }]);
    assert.equal(signal, "SIGKILL", `seed ${seed}, ${delay} ms`);
    assert.doesNotMatch(stdout, /all equal/, `seed ${seed}, ${delay} ms`);
    assert.equal(acknowledged(root), before);
  }
  const { stdout } = await assertEnds(root, setup);
  assert.match(
    stdout,
    /recomputed \d\d steps, compared \d\d events and \d fingerprints of the state: all equal, bit for bit/,
  );
  assert.match(
    stdout,
    /Resumed at global_step=\d\d, epoch 0, best loss .*, \d\d steps in the history/,
  );
  assert.deepEqual(await eventsOf(root), untouched.events);
  assert.deepEqual(objectsIn(root), untouched.objects);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`hazard 36: one ${signal} pauses a run with a snapshot, and its resume ends equal`, async () => {
    // No other snapshot than the pause's, and so many steps that the signal is always in time.
    const setup = { ...wasm, saveEvery: 0, steps: 150 };
    const untouched = await leftAlone(setup);
    const root = makeRoot();
    const lines = 5 + Math.floor(random() * 25);
    const when = () => lineCount(root) > lines;
    const { code, stdout } = await train(root, setup, [{ signal, when }]);
    assert.equal(code, 130);
    assert.match(stdout, /stopping after this step/);
    const { status, step, snapshots } = await show(root);
    assert.equal(status, "paused");
    assert.ok(step < setup.steps);
    assert.deepEqual(snapshots.map(({ step }) => step), [step]);
    assert.match(stdout, new RegExp(`paused at step ${step}`));
    const paused = (await eventsOf(root)).at(-1);
    assert.equal(paused, `{"data":{"reason":"signal","step":${step}},"type":"RunPaused"}`);

    const again = await assertEnds(root, setup);
    assert.match(again.stdout, /nothing to recompute/);
    await assertSameTraining(root, untouched);
    await assertReplays(root, setup);
  });
}

Deno.test("a second SIGINT ends a run at once, and its resume ends equal", async () => {
  // A model whose snapshot takes a while to write, and steps long enough to be interrupted.
  const setup = { ...wasm, steps: 4, batch: 16, channels: 128 };
  const untouched = await leftAlone(setup);
  let inTime = 0;
  for (let attempts = 0; attempts < 5 && inTime === 0; attempts++) {
    const root = makeRoot();
    const { code, signal, stdout } = await train(root, setup, [
      { signal: "SIGINT", when: () => lineCount(root) > 1 },
      { signal: "SIGINT", when: /once more to stop now/ },
    ]);
    assert.deepEqual([code, signal], [130, null], stdout);
    const { status } = await show(root);
    if (status === "running") inTime++;
    await assertEnds(root, setup);
    await assertSameTraining(root, untouched);
  }
  assert.ok(inTime > 0, "the second signal never ended the run before it paused");
});

Deno.test("SIGINT while a run recomputes leaves its log as it was", async () => {
  const setup = { ...wasm, saveEvery: 0, steps: 300 }; // time for the signal to come before the end
  const untouched = await leftAlone(setup);
  const root = makeRoot();
  await train(root, setup, [{ signal: "SIGKILL", when: () => lineCount(root) > 150 }]);
  const before = acknowledged(root);
  const { code, stdout } = await train(root, setup, [{ signal: "SIGINT", when: /; recomputing/ }]);
  assert.equal(code, 130);
  assert.match(stdout, /stopped while comparing with its log/);
  assert.equal(acknowledged(root), before);
  await assertEnds(root, setup);
  assert.deepEqual(await eventsOf(root), untouched.events);
});

Deno.test("paused, killed and paused again, a run ends equal", async () => {
  const untouched = await leftAlone(wasm);
  const root = makeRoot();
  await train(root, wasm, [], ["--until", "9"]);
  await train(root, wasm, [{ signal: "SIGKILL", when: () => lineCount(root) > 16 }]);
  await train(root, wasm, [{ signal: "SIGINT", when: () => lineCount(root) > 22 }]);
  await train(root, wasm, [], ["--until", "33"]);
  assert.equal((await show(root)).step, 33);
  await assertEnds(root, wasm);
  await assertSameTraining(root, untouched);
  await assertReplays(root, wasm);
});

for (const [what, length] of [["torn", 100], ["not written yet", 0]] as const) {
  Deno.test(`a run whose first line was ${what} when it was killed starts again`, async () => {
    const setup = { ...wasm, steps: 3 };
    const untouched = await leftAlone(setup);
    const root = makeRoot();
    await train(root, setup, [], ["--until", "1"]);
    await Deno.truncate(segmentOf(root), length);
    await forgetState(root);
    await Deno.remove(`${root}/${RUN}/checkpoints`, { recursive: true });
    await assertEnds(root, setup);
    assert.deepEqual(await eventsOf(root), untouched.events);
  });
}

Deno.test("a torn last line is said, cut off, and costs nothing but its step", async () => {
  const untouched = await leftAlone(wasm);
  const root = makeRoot();
  await train(root, wasm, [{ signal: "SIGKILL", when: () => lineCount(root) > 10 }]);
  const whole = await Deno.readTextFile(segmentOf(root));
  const text = whole.slice(0, whole.lastIndexOf("\n") - 40);
  await Deno.writeTextFile(segmentOf(root), text);
  await forgetState(root);
  const { stdout } = await assertEnds(root, wasm);
  assert.match(stdout, /last line was torn \(\d+ bytes at 00000000\.jsonl line \d+\): cut off/);
  assert.deepEqual(await eventsOf(root), untouched.events);
  assert.deepEqual(objectsIn(root), untouched.objects);
});

Deno.test("a damaged snapshot is said, passed over and healed, and the run ends equal", async () => {
  const untouched = await leftAlone(wasm);
  const root = makeRoot();
  await train(root, wasm, [{ signal: "SIGKILL", when: () => lineCount(root) > 20 }]);
  const [older, newest] = (await show(root)).snapshots.slice(-2);
  const path = `${root}/objects/${newest!.id.slice(0, 2)}/${newest!.id}`;
  await Deno.chmod(path, 0o644);
  await Deno.writeTextFile(path, "not what it was");
  const { stdout } = await assertEnds(root, wasm);
  assert.match(stdout, new RegExp(`snapshot of step ${newest!.step} cannot be used: .*damaged`));
  assert.match(stdout, new RegExp(`loaded the snapshot of step ${older!.step}`));
  assert.deepEqual(await eventsOf(root), untouched.events);
  assert.deepEqual(objectsIn(root), untouched.objects, "the damaged object was not made anew");
});

/** What a run that nobody disturbed left behind. */
interface Untouched {
  /** The `event` member of each line of `log --json`, as text. */
  readonly events: readonly string[];
  /** Digest of the bytes of each object, by its name. */
  readonly objects: ReadonlyMap<string, string>;
}

const made = new Map<string, Promise<Untouched>>();

/** Trains undisturbed, once for each setup. */
function leftAlone(setup: Setup): Promise<Untouched> {
  const key = JSON.stringify(setup);
  const known = made.get(key) ?? trainAlone(setup);
  made.set(key, known);
  return known;
}

async function trainAlone(setup: Setup): Promise<Untouched> {
  const root = makeRoot();
  await assertEnds(root, setup);
  const events = await eventsOf(root);
  assertEveryStepOnce(events, setup.steps);
  return { events, objects: objectsIn(root) };
}

/** The one command that all of this is about. */
async function train(
  root: string,
  setup: Setup,
  kills: readonly Kill[],
  more: readonly string[] = [],
): Promise<CliResult> {
  const settings = {
    "model.layers": 1,
    "model.channels": setup.channels,
    "model.heads": 2,
    "model.context": 16,
    "batch.size": setup.batch,
    "batch.micro": 4,
    "evaluate.every": setup.evaluateEvery,
    "evaluate.batches": 2,
  };
  return await runCli([
    "train",
    ...["--runs", root, "--run", RUN, "--backend", setup.backend],
    ...["--max-steps", `${setup.steps}`, "--save-every", `${setup.saveEvery}`],
    ...Object.entries(settings).flatMap(([path, value]) => ["--set", `${path}=${value}`]),
    ...(setup.durability ? ["--durability", setup.durability] : []),
    ...more,
  ], { kills });
}

/** Runs the command until its end, which must be a good one. */
async function assertEnds(root: string, setup: Setup): Promise<CliResult> {
  const result = await train(root, setup, []);
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /complete/);
  return result;
}

async function assertReplays(root: string, setup: Setup): Promise<void> {
  const result = await runCli(["verify", RUN, "--replay", "--json", "--runs", root]);
  assert.equal(result.code, 0, result.stdout + result.stderr);
  const { ok, steps, replay, problems } = JSON.parse(result.stdout);
  assert.deepEqual([ok, steps, replay.steps, problems], [true, setup.steps, setup.steps, []]);
}

/** As after a kill, but for the marks of the pauses and what the pauses saved. */
async function assertSameTraining(root: string, untouched: Untouched): Promise<void> {
  const events = (await eventsOf(root)).filter((text) => !isMark(JSON.parse(text)));
  assert.deepEqual(events, untouched.events);
  const objects = objectsIn(root);
  for (const [name, digest] of untouched.objects) assert.equal(objects.get(name), digest);
}

function isMark({ type, data }: { type: string; data: { reason?: string } }): boolean {
  return type === "RunPaused" || type === "RunResumed" ||
    (type === "SnapshotTaken" && data.reason === "paused");
}

async function eventsOf(root: string): Promise<readonly string[]> {
  const { code, stdout, stderr } = await runCli(["log", RUN, "--json", "--runs", root]);
  assert.equal(code, 0, stderr);
  return stdout.trimEnd().split("\n").map((line) => JSON.stringify(JSON.parse(line).event));
}

function assertEveryStepOnce(events: readonly string[], steps: number): void {
  const taken = events.map((text) => JSON.parse(text)).filter(({ type }) => type === "StepTaken");
  assert.deepEqual(
    taken.map(({ data }) => data.step),
    Array.from({ length: steps }, (_, index) => index + 1),
  );
}

async function show(root: string): Promise<{
  readonly status: string;
  readonly step: number;
  readonly snapshots: readonly { readonly step: number; readonly id: string }[];
}> {
  return JSON.parse((await runCli(["show", RUN, "--json", "--runs", root])).stdout);
}

/** The objects of a store; what a killed process left under a temporary name is none. */
function objectsIn(root: string): ReadonlyMap<string, string> {
  const objects = objectDirectories(root).flatMap((directory) =>
    namesIn(`${root}/objects/${directory}`)
      .filter((name) => !name.startsWith(".tmp-"))
      .map((name): [string, string] => [
        name,
        sha256(Deno.readFileSync(`${root}/objects/${directory}/${name}`)),
      ])
  );
  for (const [name, digest] of objects) assert.equal(name, digest);
  return new Map(objects);
}

/** Bytes are durable before the event that names them: whatever the log names is there, whole. */
function assertSnapshotsThere(root: string): void {
  const objects = objectsIn(root); // each has its whole bytes, or no name yet
  for (const [, id] of acknowledged(root).matchAll(/"snapshot":"(\w+)"/g)) {
    assert.ok(objects.has(id!), `snapshot ${id} is in the log, not in the store`);
    const manifest = Deno.readTextFileSync(`${root}/objects/${id!.slice(0, 2)}/${id}`);
    for (const [, digest] of manifest.matchAll(/"bytes":\d+,"digest":"(\w+)"/g)) {
      assert.ok(objects.has(digest!), `object ${digest} of snapshot ${id} is not in the store`);
    }
  }
}

/** A moment of a training, chosen at random: in time, in its log, or while it writes a snapshot. */
function chooseMoment(
  root: string,
  { steps }: Setup,
): Pick<Kill, "when" | "delay"> & { readonly name: string } {
  const kind = random();
  const delay = Math.floor(random() * 30);
  if (kind < 0.2) {
    const after = Math.floor(random() * 1500);
    return { name: `${after} ms`, when: after };
  }
  if (kind < 0.5) {
    const lines = lineCount(root) + 1 + Math.floor(random() * steps / 3);
    return { name: `${lines} lines and ${delay} ms`, when: () => lineCount(root) >= lines, delay };
  }
  if (kind < 0.65) {
    const snapshots = snapshotCount(root) + 1;
    return { name: `${snapshots} snapshots`, when: () => snapshotCount(root) >= snapshots };
  }
  const objects = objectCount(root) + 1 + Math.floor(random() * 5);
  return { name: `${objects} objects`, when: () => objectCount(root) >= objects };
}

/** The log's complete lines, as they are on disk. */
function acknowledged(root: string): string {
  const text = readLog(root);
  return text.slice(0, text.lastIndexOf("\n") + 1);
}

function lineCount(root: string): number {
  return acknowledged(root).split("\n").length - 1;
}

/** Snapshots that the log names. */
function snapshotCount(root: string): number {
  return acknowledged(root).split('"SnapshotTaken"').length - 1;
}

function objectCount(root: string): number {
  return objectDirectories(root).reduce(
    (sum, directory) => sum + namesIn(`${root}/objects/${directory}`).length,
    0,
  );
}

/** Beside the lock, and what a kill left under a temporary name. */
function objectDirectories(root: string): readonly string[] {
  return namesIn(`${root}/objects`).filter((name) => /^[0-9a-f]{2}$/.test(name));
}

function segmentOf(root: string): string {
  return `${root}/${RUN}/log/00000000.jsonl`;
}

/** Lets a log be made shorter: the state cache, where there is one, would tell of the lost lines. */
async function forgetState(root: string): Promise<void> {
  await Deno.remove(`${root}/${RUN}/state.json`).catch(() => undefined);
}

function readLog(root: string): string {
  try {
    return Deno.readTextFileSync(segmentOf(root));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

function namesIn(path: string): readonly string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function makeRoot(): string {
  const directory = Deno.makeTempDirSync();
  directories.push(directory);
  return `${directory}/runs`;
}

/** A test that is ignored where its backend is not to be had. */
function backendTest({ backend }: Setup, name: string, fn: () => Promise<void>): void {
  const missing = backend === "webgpu" && !hasWebGpu;
  const remedy = missing ? ": needs a WebGPU adapter; on Debian: mesa-vulkan-drivers" : "";
  Deno.test({ name: `${name} (${backend}${remedy})`, ignore: missing && !requiresWebGpu, fn });
}
