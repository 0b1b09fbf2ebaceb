import assert from "node:assert/strict";
import { fileStore } from "../../src/adapters/file_store.ts";
import { openDevice } from "../../src/adapters/device/tfjs_backend.ts";
import { memoryStore } from "../../src/adapters/memory/memory_store.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";
import { readRun } from "../../src/app/reading/read_run.ts";
import { trainRun } from "../../src/app/training/train_run.ts";
import { replayRun } from "../../src/app/replay/replay_run.ts";
import { isComputation, type RunEvent, type RunStarted } from "../../src/core/event.ts";
import type { Device } from "../../src/ports/device.ts";
import type { Notice } from "../../src/ports/reporter.ts";
import { goldenTask } from "./golden_task.ts";

// run_<format>/ is the store of a run that a foldlog of that format trained to step 5, paused, resumed,
// and that died after step 8 of 12; with a snapshot every 3 steps.

for (const format of [1]) {
  for (const lost of ["nothing", "the newest snapshot", "every snapshot"] as const) {
    Deno.test(`a run of format ${format} goes on with equal bits when ${lost} was lost`, async () => {
      const root = await copyOfRun(format);
      const store = fileStore(root);
      const started = (await orThrow(readRun(store, "line"))).events[0]!.event as RunStarted;
      const device = await deviceOf(started);
      const notices: Notice[] = [];
      const reporter = { report: (notice: Notice) => void notices.push(notice) };
      if (lost === "the newest snapshot") await loseSnapshot(root, 6);
      if (lost === "every snapshot") {
        for (const step of [3, 5, 6]) await loseSnapshot(root, step);
      }

      const { state } = await orThrow(trainRun({ store, device, reporter }, "line", goldenTask));

      assert.equal(state.status, "completed");
      const resumed = notices.find(({ type }) => type === "Resumed");
      const from = { "nothing": 6, "the newest snapshot": 5, "every snapshot": 0 }[lost];
      assert.ok(resumed?.type === "Resumed" && resumed.snapshot === from, JSON.stringify(resumed));
      const report = await orThrow(replayRun({ store, device }, "line", goldenTask));
      assert.deepEqual(report.problems, []);

      const fresh = memoryStore();
      await orThrow(trainRun({ store: fresh, device }, "line", goldenTask));
      const untouched = await orThrow(readRun(fresh, "line"));
      const whole = await orThrow(store.log.read("line"));
      assert.deepEqual(computed(whole.events), computed(untouched.events));
      assert.equal(state.snapshots.at(-1)!.state, untouched.state.snapshots.at(-1)!.state);
      assert.equal(state.snapshots.at(-1)!.snapshot, untouched.state.snapshots.at(-1)!.snapshot);
      await Deno.remove(root, { recursive: true });
    });
  }
}

async function copyOfRun(format: number): Promise<string> {
  const root = await Deno.makeTempDir();
  await copyTree(new URL(`run_${format}`, import.meta.url).pathname, root);
  return root;
}

async function copyTree(from: string, to: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await Deno.mkdir(`${to}/${name}`);
    if (isDirectory) await copyTree(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

async function loseSnapshot(root: string, step: number): Promise<void> {
  const { state } = await orThrow(readRun(fileStore(root), "line"));
  const { snapshot } = state.snapshots.find((ref) => ref.step === step)!;
  await Deno.remove(`${root}/objects/${snapshot.slice(0, 2)}/${snapshot}`);
}

/** The cpu backend under the name of the runtime that the run was computed with. */
async function deviceOf(started: RunStarted): Promise<Device> {
  return { ...await orThrow(openDevice("cpu")), environment: started.data.environment };
}

function computed(events: readonly { readonly event: RunEvent }[]): readonly RunEvent[] {
  return events.map(({ event }) => event).filter(isComputation);
}
