import assert from "node:assert/strict";
import { fileStore } from "../../src/adapters/file_store.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";
import { type RepairReport, repairRun } from "../../src/app/upkeep/repair_run.ts";
import { trainRun } from "../../src/app/training/train_run.ts";
import { verifyRun } from "../../src/app/upkeep/verify_run.ts";
import type { Device } from "../../src/ports/device.ts";
import type { Store } from "../../src/ports/store.ts";
import { goldenTask } from "../golden/golden_task.ts";
import { backendTest } from "../support/backends.ts";

const VIEW = "a/checkpoints/step-000006";

/** What can stand where something of the store belongs. */
interface Obstacle {
  readonly happen: (root: string) => Promise<unknown>;
  /** What verify says. */
  readonly problem: RegExp;
  /** Where a repair leaves what stood there. */
  readonly aside?: string;
}

const obstacles: Readonly<Record<string, Obstacle>> = {
  "checkpoints is a file": {
    happen: (root) => replace(`${root}/a/checkpoints`, putFile),
    problem: /^a\/checkpoints: expected a directory, found a file, .*checkpoints\.aside/,
    aside: "a/checkpoints.aside",
  },
  "the view of a step is a file": {
    happen: (root) => replace(`${root}/${VIEW}`, putFile),
    problem: /step-000006: expected a directory, found a file/,
    aside: `${VIEW}.aside`,
  },
  "a file of a view is a directory": {
    happen: (root) => replace(`${root}/${VIEW}/model.safetensors`, putDirectory),
    problem: /step-000006\/model\.safetensors: expected a file, found a directory/,
    aside: `${VIEW}/model.safetensors.aside`,
  },
  "a file of a view is missing": {
    happen: (root) => Deno.remove(`${root}/${VIEW}/model.safetensors`),
    problem: /step-000006\/model\.safetensors: expected a file, found none/,
  },
  "a file of a view is a copy with a changed bit": {
    happen: async (root) => {
      const path = `${root}/${VIEW}/model.safetensors`;
      const bytes = await Deno.readFile(path);
      bytes[bytes.length - 1]! ^= 1;
      await replace(path, () => Deno.writeFile(path, bytes));
    },
    problem: /step-000006\/model\.safetensors: expected the bytes of [0-9a-f]{12}, found others/,
  },
  "the state cache is a directory": {
    happen: (root) => replace(`${root}/a/state.json`, putDirectory),
    problem: /^state\.json: it is no regular file/,
    aside: "a/state.json.aside",
  },
};

for (const [what, { happen, problem, aside }] of Object.entries(obstacles)) {
  backendTest(
    "cpu",
    `verify reports and repair mends, and says so, where ${what}`,
    async (device) => {
      await using place = await trained(device);
      const { root, store } = place;
      await happen(root);
      const { problems } = await orThrow(verifyRun(store, "a"));
      assert.equal(problems.length, 1);
      assert.match(problems[0]!.message, problem);
      const { problems: left, repaired } = await repair(store);
      assert.deepEqual(left, []);
      assert.ok(repaired.derived.length > 0, "it mended something and does not say so");
      if (aside !== undefined) assert.ok(await Deno.lstat(`${root}/${aside}`));
      assert.deepEqual((await orThrow(verifyRun(store, "a"))).problems, []);
    },
  );
}

backendTest("cpu", "a directory in place of an object is moved aside by repair", async (device) => {
  await using place = await trained(device);
  const { root, store } = place;
  const [id] = await orThrow(store.snapshots.list());
  const { files } = await orThrow(store.snapshots.manifest(id!));
  for (const digest of [id!, files["model"]!.digest]) {
    const path = `${root}/objects/${digest.slice(0, 2)}/${digest}`;
    const bytes = await Deno.readFile(path);
    await replace(path, putDirectory);
    const { problems } = await orThrow(verifyRun(store, "a"));
    assert.ok(problems.some(({ message }) => /it is no regular file/.test(message)));
    const means = () => Promise.resolve({ device, task: goldenTask });
    assert.equal((await orThrow(repairRun(store, "a", means))).ok, true);
    assert.deepEqual(await Deno.readFile(path), bytes);
    assert.ok(await Deno.lstat(`${path}.aside/something of someone's`));
  }
});

backendTest(
  "cpu",
  "a view that cannot be made is a problem, and the others are made",
  async (device) => {
    await using place = await trained(device);
    const { root, store } = place;
    await Deno.remove(`${root}/a/checkpoints`, { recursive: true });
    await Deno.mkdir(`${root}/a/checkpoints`);
    await Deno.symlink(root, `${root}/${VIEW}`);
    const { ok, problems } = await repair(store);
    assert.equal(ok, false);
    assert.match(problems.map(({ message }) => message).join(), /step-000006.*symbolic link/);
    const shown = (await orThrow(store.snapshots.shown("a"))).map(({ step }) => step);
    assert.deepEqual(shown, [3, 9, 12]);
  },
);

backendTest("cpu", "repair says which views it made that were gone", async (device) => {
  await using place = await trained(device);
  await Deno.remove(`${place.root}/${VIEW}`, { recursive: true });
  assert.deepEqual((await orThrow(verifyRun(place.store, "a"))).problems, []);
  assert.deepEqual((await repair(place.store)).repaired.derived, [`${VIEW}: made anew`]);
  assert.deepEqual((await repair(place.store)).repaired.derived, []);
});

async function repair(store: Store): Promise<RepairReport> {
  const means = () => Promise.reject(new Error("nothing needs recomputing"));
  return await orThrow(repairRun(store, "a", means));
}

async function replace(path: string, make: (path: string) => Promise<unknown>): Promise<void> {
  await Deno.remove(path, { recursive: true });
  await make(path);
}

async function putFile(path: string): Promise<void> {
  await Deno.writeTextFile(path, "something of someone's");
}

async function putDirectory(path: string): Promise<void> {
  await Deno.mkdir(`${path}/something of someone's`, { recursive: true });
}

async function trained(
  device: Device,
): Promise<AsyncDisposable & { readonly root: string; readonly store: Store }> {
  const root = await Deno.makeTempDir();
  const store = fileStore(root);
  await orThrow(trainRun({ store, device }, "a", goldenTask));
  return { root, store, [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
}
