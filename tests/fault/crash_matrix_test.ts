import assert from "node:assert/strict";
import { randomFrom } from "../support/random.ts";
import { modelDisk } from "./crash_model.ts";
import { isGood, type Verdict } from "./judge.ts";
import { experimentsWith, runExperiments } from "./matrix.ts";
import { type OperationName, operations } from "./operations.ts";
import { type Ending, runDriver } from "./run_driver.ts";
import { parseSystemCalls } from "./system_calls.ts";
import { fingerprint } from "./tree.ts";
import { complaintOf, type Trial } from "./trial.ts";
import { command, openWorkbench, type Workbench } from "./workbench.ts";

const REMEDY = "needs strace and a system that lets it trace; on Debian: apt-get install strace";

const hasStrace = await canTrace();
const requiresStrace = Deno.env.get("FOLDLOG_REQUIRE_STRACE") === "1";

const seed = Number(Deno.env.get("FOLDLOG_TEST_SEED") ?? Date.now() % 2 ** 31);
const random = randomFrom(seed);
console.log(`FOLDLOG_TEST_SEED=${seed}`);

let opened: Promise<Workbench> | undefined;
let trained: ReturnType<typeof train> | undefined;
Deno.test.afterAll(async () => await (await opened)?.close());

for (const operation of Object.keys(operations) as OperationName[]) {
  Deno.test({
    name: `faults that strike "${operation}" at random lose nothing, and it ends equal` +
      (hasStrace ? "" : ` (${REMEDY})`),
    ignore: !hasStrace && !requiresStrace,
    sanitizeResources: false, // the workbench and its thread are there for all tests
    sanitizeOps: false,
    async fn() {
      const options = { mounts: false, random, depth: 2, limits: 1, most: 1 };
      const { all } = await experimentsWith(await workbench(), operation, options);
      const trials: Trial[] = [];
      await runExperiments(all, (trial) => trials.push(trial));
      const real = trials.filter(({ means }) => means === "strace"); // a model always strikes
      assert.ok(real.some(({ struck }) => struck), `seed ${seed}: strace struck nothing`);
      assert.deepEqual(trials.map(complaintOf).filter(Boolean), [], `seed ${seed}`);
    },
  });
}

judgeTest("an acknowledged event that is gone is lost", async (root, ending, judge) => {
  const segment = `${root}/a/log/00000000.jsonl`;
  const lines = (await Deno.readTextFile(segment)).trimEnd().split("\n");
  await Deno.remove(`${root}/a/state.json`);
  await Deno.writeTextFile(segment, lines.slice(0, -2).map((line) => `${line}\n`).join(""));
  assert.equal((await judge(ending)).lost, 2);
});

judgeTest("an acknowledged event that is another is lost", async (_, ending, judge) => {
  const [first, ...rest] = ending.acknowledged;
  const acknowledged = [{ ...first!, digest: "0".repeat(64) }, ...rest];
  assert.equal((await judge({ ...ending, acknowledged })).lost, 1);
});

judgeTest("a log that cannot be read is torn, and all of it lost", async (root, ending, judge) => {
  const segment = `${root}/a/log/00000000.jsonl`;
  await Deno.writeTextFile(segment, `no line\n${await Deno.readTextFile(segment)}`);
  const { lost, torn } = await judge(ending);
  assert.deepEqual([lost, torn.length], [ending.acknowledged.length, 1]);
});

judgeTest("a named snapshot that is not there is torn", async (root, ending, judge) => {
  const view = `${root}/a/checkpoints/step-000003/model.safetensors`;
  const { ino } = await Deno.stat(view);
  await Deno.remove(await objectAt(`${root}/objects`, ino!));
  assert.match((await judge(ending)).torn[0]!, /^snapshot of step 3: .*missing/);
});

judgeTest("what a crash left behind for good is not equal", async (root, ending, judge) => {
  await Deno.writeTextFile(`${root}/a/.tmp-1`, "");
  assert.match((await judge(ending)).unequal[0]!, /\.tmp-1 was left behind$/);
});

judgeTest("a process that crashes or hangs misbehaves", async (_, ending, judge) => {
  for (const how of ["crashed", "hung"] as const) {
    assert.equal((await judge({ ...ending, how })).misbehaved.length, 1);
  }
});

judgeTest("a process that gives up though no call failed misbehaves", async (_, ending, judge) => {
  const refused = { ...ending, how: "refused", stderr: "Cannot append" } as const;
  assert.match((await judge(refused)).misbehaved.join(), /the process was refused: Cannot append/);
});

judgeTest("a run that nothing happened to is good", async (_, ending, judge) => {
  assert.ok(ending.acknowledged.length > 10);
  assert.ok(isGood(await judge(ending)), JSON.stringify(await judge(ending)));
});

Deno.test("the model of a disk forgets what was not synced, by bytes and by name", async () => {
  const root = await Deno.makeTempDir();
  const disk = modelDisk(root);
  const file = `${root}/file`;
  const calls = parseSystemCalls([
    `1 openat(AT_FDCWD<${hex("/")}>, "${hex(file)}", O_WRONLY|O_CREAT|O_APPEND, 0666) = 3`,
    `1 write(3<${hex(file)}>, "${hex("ab")}", 2) = 1`,
    `1 fdatasync(3<${hex(file)}>) = 0`,
    `1 write(3<${hex(file)}>, "${hex("b")}", 1 <unfinished ...>`,
    `2 fsync(4<${hex(root)}> <unfinished ...>`,
    `1 <... write resumed>) = 1`,
    `2 <... fsync resumed>) = 0`,
    `1 rename("${hex(file)}", "${hex(`${root}/other`)}") = 0`,
  ].join("\n"));
  for (const call of calls) {
    disk.enter(call);
    disk.leave(call);
  }
  const text = (what: string) => new TextEncoder().encode(what);
  assert.deepEqual(disk.visible(), new Map([["other", text("ab")]]));
  assert.deepEqual(disk.surviving("what was synced"), new Map([["file", text("a")]]));
  assert.deepEqual(disk.surviving("all names"), new Map([["other", text("a\0")]]));
  assert.deepEqual(disk.surviving("all bytes"), new Map([["file", text("ab")]]));
  assert.equal(fingerprint(new Map([["a", text("x")]])), "{a:78}");
  await Deno.remove(root, { recursive: true });
});

/** A test of the judge: with a store that an undisturbed driver left, and how that ended. */
function judgeTest(
  name: string,
  fn: (
    root: string,
    ending: Ending,
    judge: (ending: Ending) => Promise<Verdict>,
  ) => Promise<void>,
): void {
  Deno.test({
    name: `the judge of the crash matrix finds: ${name}`,
    sanitizeResources: false,
    sanitizeOps: false,
    async fn() {
      const bench = await workbench();
      const { ending, root: whole } = await (trained ??= train());
      const root = await Deno.makeTempDir({ dir: bench.directory });
      await command("cp", "-a", `${whole}/.`, root);
      await fn(root, ending, (ending) => bench.judge(root, "train", ending, false));
    },
  });
}

/** What a driver leaves that nobody disturbed. */
async function train(): Promise<{ readonly root: string; readonly ending: Ending }> {
  const root = await (await workbench()).fresh("train");
  const ending = await runDriver(root, "train");
  assert.equal(ending.how, "done", ending.stderr);
  return { root, ending };
}

function workbench(): Promise<Workbench> {
  return opened ??= openWorkbench();
}

async function objectAt(objects: string, ino: number): Promise<string> {
  for await (const { name } of Deno.readDir(objects)) {
    if (name === "lock") continue;
    for await (const { name: digest } of Deno.readDir(`${objects}/${name}`)) {
      const path = `${objects}/${name}/${digest}`;
      if ((await Deno.stat(path)).ino === ino) return path;
    }
  }
  throw new Error(`No object has the inode ${ino}`);
}

/** As strace prints it with -xx. */
function hex(text: string): string {
  return [...new TextEncoder().encode(text)]
    .map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

async function canTrace(): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("strace", { args: ["-f", "true"] }).output();
    return success;
  } catch {
    return false;
  }
}
