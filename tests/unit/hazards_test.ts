import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import * as tf from "foldlog/tf";
import { fileStore } from "../../src/adapters/file_store.ts";
import { memoryStore } from "../../src/adapters/memory/memory_store.ts";
import { describeError } from "../../src/app/errors/describe_error.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";
import { readRun } from "../../src/app/reading/read_run.ts";
import { trainRun } from "../../src/app/training/train_run.ts";
import { verifyRun } from "../../src/app/upkeep/verify_run.ts";
import { isTrainingFact, type RunEvent } from "../../src/core/event.ts";
import { keepLast } from "../../src/core/retention_policy.ts";
import type { Device } from "../../src/ports/device.ts";
import type { Notice } from "../../src/ports/reporter.ts";
import type { Store } from "../../src/ports/store.ts";
import type { Task } from "../../src/ports/task.ts";
import { goldenTask } from "../golden/golden_task.ts";
import { backendTest } from "../support/backends.ts";
import { gatedStore } from "../support/gated_store.ts";

// Cases from the field, by the numbers of docs/determinism.md. The task has 12 steps and a snapshot
// every 3.

backendTest(
  "cpu",
  "hazard 25: runs that store equal snapshots at once disturb nothing",
  async (device) => {
    await using place = await makePlace();
    const runs = ["a", "b", "c", "d"];
    const { store } = place;
    await orThrow(trainRun({ store, device }, "one", goldenTask));
    const { state } = await orThrow(readRun(store, "one"));
    const snapshots = await Promise.all(
      state.snapshots.map(({ snapshot }) => orThrow(store.snapshots.get(snapshot))),
    );
    const other = await makePlace();
    const puts = runs.flatMap((run) =>
      snapshots.map(async (snapshot) => {
        const own = fileStore(other.root).snapshots; // as another process has it
        const stored = await orThrow(own.put(run, structuredClone(snapshot)));
        stored.release();
        return stored.id;
      })
    );
    const ids = await Promise.all(puts);
    const expected = state.snapshots.map(({ snapshot }) => snapshot);
    assert.deepEqual(ids, runs.flatMap(() => expected));
    for (const [index, id] of expected.entries()) {
      const stored = await orThrow(other.store.snapshots.get(id));
      assert.deepEqual(stored, snapshots[index]);
    }
    assert.deepEqual(await orThrow(other.store.snapshots.list()), [...expected].sort());
    await other[Symbol.asyncDispose]();
  },
);

for (
  const [hazard, what, damage] of [
    [26, "cut short", (bytes: Uint8Array) => bytes.subarray(0, bytes.length >> 1)],
    [27, "empty", () => new Uint8Array(0)],
  ] as const
) {
  for (const file of ["model.safetensors", "optimizer.safetensors", "manifest.json"]) {
    const text = `hazard ${hazard}: where the newest ${file} is ${what}, the one before it serves`;
    backendTest("cpu", text, async (device) => {
      await using place = await makePlace();
      const { store, root } = place;
      await orThrow(trainRun({ store, device }, "a", goldenTask, { until: 8 }));
      const { state } = await orThrow(readRun(store, "a"));
      const newest = state.snapshots.at(-1)!;
      assert.equal(newest.step, 8);
      const { files } = await orThrow(store.snapshots.manifest(newest.snapshot));
      const group = file.split(".")[0]!;
      const digest = files[group]?.digest ?? newest.snapshot;
      const path = `${root}/objects/${digest.slice(0, 2)}/${digest}`;
      const bytes = await Deno.readFile(path);
      await Deno.remove(path);
      await Deno.writeFile(path, damage(bytes));

      const notices: Notice[] = [];
      const again = fileStore(root);
      await orThrow(
        trainRun({ store: again, device, reporter: collecting(notices) }, "a", goldenTask),
      );
      const skipped = notices.filter(({ type }) => type === "SnapshotSkipped");
      assert.deepEqual(skipped.map((notice) => "step" in notice && notice.step), [8]);
      const resumed = notices.find(({ type }) => type === "Resumed");
      assert.ok(resumed?.type === "Resumed" && resumed.snapshot === 6, JSON.stringify(resumed));
      assert.deepEqual(await factsOf(again), await factsOf(await leftAlone(device)));
      assert.deepEqual((await orThrow(verifyRun(again, "a"))).problems, [], "it was written anew");
    });
  }
}

backendTest(
  "cpu",
  "a run of which no snapshot is readable is computed from its first step",
  async (device) => {
    await using place = await makePlace();
    const { store, root } = place;
    await orThrow(trainRun({ store, device }, "a", goldenTask, { until: 8 }));
    await Deno.remove(`${root}/objects`, { recursive: true });
    const notices: Notice[] = [];
    const again = fileStore(root);
    await orThrow(
      trainRun({ store: again, device, reporter: collecting(notices) }, "a", goldenTask),
    );
    const resumed = notices.find(({ type }) => type === "Resumed");
    assert.ok(resumed?.type === "Resumed" && resumed.snapshot === 0 && resumed.recomputed === 8);
    assert.deepEqual(await factsOf(again), await factsOf(await leftAlone(device)));
    assert.deepEqual((await orThrow(verifyRun(again, "a"))).problems, []);
  },
);

backendTest(
  "cpu",
  "hazard 28: at every moment of a save, all that was saved before is readable",
  async (device) => {
    await using place = await makePlace();
    const { store } = place;
    let looks = 0;
    const watched = gatedStore(store, async () => {
      for (const { snapshot } of (await orThrow(store.log.read("a"))).events.flatMap(taken)) {
        await orThrow(store.snapshots.get(snapshot));
        looks++;
      }
      return undefined;
    });
    await orThrow(trainRun({ store: watched, device }, "a", goldenTask));
    assert.equal(looks, 1 + 2 + 3);
  },
);

backendTest(
  "cpu",
  "hazard 29: the log names a snapshot only when all of it can be read",
  async (device) => {
    await using place = await makePlace();
    const { store } = place;
    const named: string[] = [];
    const reporter = {
      report(notice: Notice) {
        if (notice.type === "Saved") named.push(notice.snapshot);
      },
    };
    const log: Store["log"] = {
      ...store.log,
      open: (run) => async () => {
        const opened = await store.log.open(run)();
        if (E.isLeft(opened)) return opened;
        const writer = opened.right;
        const append: typeof writer.append = (events, version) => async () => {
          for (const { snapshot } of events.flatMap((event) => taken({ event }))) {
            await orThrow(fileStore(place.root).snapshots.get(snapshot));
          }
          return await writer.append(events, version)();
        };
        return E.right({ ...writer, append });
      },
    };
    await orThrow(trainRun({ store: { ...store, log }, device, reporter }, "a", goldenTask));
    assert.equal(named.length, 4);
  },
);

backendTest(
  "cpu",
  "hazard 34: keeping the last two never removes the best or the last",
  async (device) => {
    await using place = await makePlace();
    const { store } = place;
    const losses = [1, 3, 4, 2]; // the first evaluation is the best
    const task: Task = {
      ...goldenTask,
      config: { ...goldenTask.config, evaluate: { every: 3, batches: 1 } },
      evaluation: { data: goldenTask.data, loss: () => tf.scalar(losses.shift() ?? 5) },
    };
    await orThrow(trainRun({ store, device }, "a", task, { retention: keepLast(2) }));
    const { state } = await orThrow(readRun(store, "a"));
    assert.deepEqual(state.snapshots.map(({ step }) => step), [3, 9, 12]);
    const { problems } = await orThrow(verifyRun(store, "a"));
    assert.deepEqual(problems, []);
    const kept = state.snapshots.map(({ snapshot }) => snapshot).sort();
    assert.deepEqual(await orThrow(store.snapshots.list()), kept, "the others are freed");
  },
);

backendTest(
  "cpu",
  "hazard 35: the snapshot that a run was resumed from is not removed",
  async (device) => {
    await using place = await makePlace();
    const { store } = place;
    await orThrow(trainRun({ store, device }, "a", goldenTask, { until: 3 }));
    const retention = keepLast(1);
    await orThrow(trainRun({ store, device }, "a", goldenTask, { retention, until: 10 }));
    const { state } = await orThrow(readRun(store, "a"));
    const best = await bestOfAll(store);
    assert.deepEqual(state.snapshots.map(({ step }) => step), [...new Set([3, best, 10])].sort(by));
    await orThrow(trainRun({ store, device }, "a", goldenTask, { retention }));
    assert.deepEqual(await factsOf(store), await factsOf(await leftAlone(device)));
  },
);

backendTest(
  "cpu",
  "hazard 37: a run whose log is gone is not started from scratch in silence",
  async (device) => {
    await using place = await makePlace();
    const { store, root } = place;
    const missing = await trainRun({ store, device }, "a", goldenTask, { resume: "must" })();
    assert.ok(E.isLeft(missing) && missing.left.type === "RunMissing", JSON.stringify(missing));

    await orThrow(trainRun({ store, device }, "a", goldenTask, { until: 8 }));
    for (const lost of ["log/00000000.jsonl", "log", "state.json"]) {
      await Deno.remove(`${root}/a/${lost}`, { recursive: true });
      const refused = await trainRun({ store: fileStore(root), device }, "a", goldenTask)();
      assert.ok(E.isLeft(refused) && refused.left.type === "LogDamaged", JSON.stringify(refused));
      assert.match(describeError(refused.left), /backup/);
    }
  },
);

backendTest(
  "cpu",
  "hazard 38: a run of another task, of other data or with other settings is refused",
  async (device) => {
    await using place = await makePlace();
    const { store } = place;
    await orThrow(trainRun({ store, device }, "a", goldenTask, { until: 4 }));
    const before = await orThrow(store.log.read("a"));
    const { identity } = goldenTask.data;
    const others = {
      TaskDiffers: { ...goldenTask, name: "another" },
      DataDiffers: {
        ...goldenTask,
        data: { ...goldenTask.data, identity: { ...identity, digest: "0".repeat(64) } },
      },
      ConfigDiffers: { ...goldenTask, config: { ...goldenTask.config, seed: 8 } },
    };
    for (const [type, task] of Object.entries(others)) {
      const refused = await trainRun({ store, device }, "a", task)();
      assert.ok(E.isLeft(refused) && refused.left.type === type, JSON.stringify(refused));
    }
    assert.deepEqual(await orThrow(store.log.read("a")), before);
  },
);

/** The step of the lowest loss of all that a snapshot was taken of, pruned since or not. */
async function bestOfAll(store: Store): Promise<number> {
  const { events } = await orThrow(store.log.read("a"));
  const losses = new Map<number, number>();
  const taken: number[] = [];
  for (const { event } of events) {
    if (event.type === "StepTaken") losses.set(event.data.step, event.data.loss);
    if (event.type === "SnapshotTaken") taken.push(event.data.step);
  }
  return taken.reduce((best, step) => losses.get(step)! < losses.get(best)! ? step : best);
}

function by(a: number, b: number): number {
  return a - b;
}

interface Place extends AsyncDisposable {
  readonly root: string;
  readonly store: Store;
}

async function makePlace(): Promise<Place> {
  const root = await Deno.makeTempDir();
  return {
    root,
    store: fileStore(root),
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

async function leftAlone(device: Device): Promise<Store> {
  const store = memoryStore();
  await orThrow(trainRun({ store, device }, "a", goldenTask));
  return store;
}

async function factsOf(store: Store): Promise<readonly RunEvent[]> {
  const { events } = await orThrow(store.log.read("a"));
  return events.map(({ event }) => event).filter(isTrainingFact);
}

function taken({ event }: { readonly event: RunEvent }): readonly { readonly snapshot: string }[] {
  return event.type === "SnapshotTaken" ? [event.data] : [];
}

function collecting(notices: Notice[]): { readonly report: (notice: Notice) => void } {
  return { report: (notice) => void notices.push(notice) };
}
