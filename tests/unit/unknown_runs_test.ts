import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import * as TE from "fp-ts/TaskEither.js";
import { fileStore } from "../../src/adapters/file_store.ts";
import { collectGarbage } from "../../src/app/upkeep/collect_garbage.ts";
import { describeError } from "../../src/app/errors/describe_error.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";
import { pruneRun } from "../../src/app/upkeep/prune_run.ts";
import { repairRun } from "../../src/app/upkeep/repair_run.ts";
import { readRun } from "../../src/app/reading/read_run.ts";
import type { TrainOptions } from "../../src/app/training/train_options.ts";
import { trainRun } from "../../src/app/training/train_run.ts";
import { verifyRun } from "../../src/app/upkeep/verify_run.ts";
import { keepEvery, keepLast } from "../../src/core/retention_policy.ts";
import type { Device } from "../../src/ports/device.ts";
import type { LogError } from "../../src/ports/event_log.ts";
import type { Notice } from "../../src/ports/reporter.ts";
import type { Store } from "../../src/ports/store.ts";
import { goldenTask } from "../golden/golden_task.ts";
import { backendTest } from "../support/backends.ts";

const SEGMENT = "a/log/00000000.jsonl";

/** What can become of a run so that nobody can tell which snapshots it needs. */
const unknown: Readonly<Record<string, (root: string) => Promise<unknown>>> = {
  "its log is empty": (root) => Deno.truncate(`${root}/${SEGMENT}`),
  "its log is gone": (root) => Deno.remove(`${root}/a/log`, { recursive: true }),
  "its log and its state cache are gone": async (root) => {
    await Deno.remove(`${root}/a/log`, { recursive: true });
    await Deno.remove(`${root}/a/state.json`);
  },
  "its directory has a name that is no run id": (root) =>
    Deno.rename(`${root}/a`, `${root}/a (old)`),
  "its segment is a directory": async (root) => {
    await Deno.remove(`${root}/${SEGMENT}`);
    await Deno.mkdir(`${root}/${SEGMENT}`);
  },
  "its log is damaged before the place that its state cache vouches for": async (root) => {
    const bytes = await Deno.readFile(`${root}/${SEGMENT}`);
    bytes[bytes.length >> 1]! ^= 1;
    await Deno.writeFile(`${root}/${SEGMENT}`, bytes);
  },
  "its log was cut short": async (root) => {
    const text = await Deno.readTextFile(`${root}/${SEGMENT}`);
    await Deno.truncate(`${root}/${SEGMENT}`, text.indexOf("\n", text.length >> 1) + 1);
  },
  "its segment is a pipe": async (root) => {
    await Deno.remove(`${root}/${SEGMENT}`);
    await new Deno.Command("mkfifo", { args: [`${root}/${SEGMENT}`] }).output();
  },
  "its directory is a link that leads nowhere": (root) => unmount(`${root}/a`),
  "its log is a link that leads nowhere": async (root) => {
    await unmount(`${root}/a/log`);
    await Deno.remove(`${root}/a/state.json`);
    await Deno.remove(`${root}/a/checkpoints`, { recursive: true });
  },
  "it is archived one level short": (root) => archive(root, ".archive/a"),
  "it is archived under a name that is no run id": (root) => archive(root, ".archive/t/a (old)"),
  "it is archived one level short, by a link that leads nowhere": async (root) => {
    await archive(root, ".archive/a");
    await unmount(`${root}/.archive/a`);
  },
  "it is archived behind a link that leads nowhere": async (root) => {
    await archive(root, ".archive/t/a");
    await unmount(`${root}/.archive/t/a`);
  },
  "the archive is a link that leads nowhere": async (root) => {
    await archive(root, ".archive/t/a");
    await unmount(`${root}/.archive`);
  },
};

/** Leaves of a directory what there is of it where its disk is not mounted. */
async function unmount(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true });
  await Deno.symlink("/not-mounted", path);
}

async function archive(root: string, place: string): Promise<void> {
  await Deno.mkdir(`${root}/.archive/t`, { recursive: true });
  await Deno.rename(`${root}/a`, `${root}/${place}`);
}

for (const [what, happen] of Object.entries(unknown)) {
  backendTest("cpu", `nothing is collected where a run is there and ${what}`, async (device) => {
    await using place = await trained(device);
    await happen(place.root);
    const before = await orThrow(place.store.snapshots.list());
    const refused = await collectGarbage(place.store)();
    assert.ok(E.isLeft(refused) && refused.left.type === "SnapshotsUnknown", what);
    assert.match(describeError(refused.left), /run "a"|\/a(?: \(old\))?\b|\/\.archive\b/);
    assert.deepEqual(await orThrow(place.store.snapshots.list()), before);
    assert.equal(before.length, 4);
  });
}

backendTest(
  "cpu",
  "a training prunes nothing where a log is damaged before its state cache, and says so",
  async (device) => {
    await using place = await trained(device, { until: 8 });
    const { root, store } = place;
    await orThrow(trainRun({ store, device }, "b", goldenTask, { until: 4 }));
    for (const [damaged, until] of [["a", 10], ["b", 11]] as const) {
      const segment = `${root}/${damaged}/log/00000000.jsonl`;
      const whole = await Deno.readFile(segment);
      const place = whole.indexOf(0x0a) + 500; // past the first line, which is always read
      await Deno.writeFile(segment, whole.map((byte, at) => at === place ? byte ^ 1 : byte));
      const notices: Notice[] = [];
      const reporter = { report: (notice: Notice) => void notices.push(notice) };
      const before = await orThrow(store.snapshots.list());
      await orThrow(
        trainRun({ store, device, reporter }, "a", goldenTask, { until, retention: keepLast(1) }),
      );
      const after = await orThrow(store.snapshots.list());
      assert.deepEqual(before.filter((id) => !after.includes(id)), []);
      const told = notices.find(({ type }) => type === "NothingPruned");
      assert.match(JSON.stringify(told), new RegExp(`run \\\\"${damaged}\\\\" is damaged`));
      const restored = await Deno.readFile(segment);
      restored[place]! ^= 1;
      await Deno.writeFile(segment, restored);
    }
    await orThrow(trainRun({ store, device }, "a", goldenTask, { retention: keepLast(1) }));
    assert.ok((await orThrow(readRun(store, "a"))).state.snapshots.length < 4);
  },
);

backendTest("cpu", "what is no run stops no collection", async (device) => {
  await using place = await trained(device);
  const { root, store } = place;
  await Deno.mkdir(`${root}/a directory`);
  await Deno.mkdir(`${root}/.archive/t/.git`, { recursive: true });
  await Deno.writeTextFile(`${root}/notes`, "");
  await Deno.symlink(`${root}/notes`, `${root}/link-to-notes`);
  assert.equal((await orThrow(collectGarbage(store))).objects, 0);
  assert.deepEqual(await orThrow(store.log.runs()), ["a"]);
});

backendTest(
  "cpu",
  "a run behind a link keeps its snapshots, and is not written to",
  async (device) => {
    await using place = await trained(device);
    const { root, store } = place;
    const elsewhere = await Deno.makeTempDir();
    await Deno.rename(`${root}/a`, `${elsewhere}/a`);
    await Deno.symlink(`${elsewhere}/a`, `${root}/a`);
    assert.deepEqual(await orThrow(store.log.runs()), ["a"]);
    assert.equal((await orThrow(collectGarbage(store))).objects, 0);
    assert.deepEqual((await orThrow(verifyRun(store, "a"))).problems, []);
    const refused = await store.log.open("a")();
    assert.ok(E.isLeft(refused) && /symbolic link/.test(describeError(refused.left)));
    await Deno.remove(elsewhere, { recursive: true });
  },
);

backendTest("cpu", "verify reports a log that ends before its state cache does", async (device) => {
  await using place = await trained(device);
  const lines = (await Deno.readTextFile(`${place.root}/${SEGMENT}`)).split("\n");
  const cut = lines.slice(0, 5).map((line) => `${line}\n`).join("");
  await Deno.writeTextFile(`${place.root}/${SEGMENT}`, cut);
  const { ok, problems } = await orThrow(verifyRun(place.store, "a"));
  assert.deepEqual([ok, problems.map(({ type }) => type)], [false, ["LogDamaged"]]);
});

backendTest(
  "cpu",
  "a damaged manifest stops prune and gc before anything is done, by name and with the remedy",
  async (device) => {
    await using place = await trained(device);
    const { root, store } = place;
    await damageManifest(root, 6);
    const before = await Deno.readTextFile(`${root}/${SEGMENT}`);
    const remedy = new RegExp(
      '^Nothing was removed, .*the snapshot of step 6 of run "a" needs.*is damaged.*' +
        "`foldlog verify a --repair` makes it anew, and a `foldlog prune a` .* lets it go",
    );
    for (
      const work of [
        collectGarbage(store),
        pruneRun(store, "a", keepEvery(6)),
        pruneRun(store, "a", keepEvery(6), { dryRun: true }),
      ]
    ) {
      const refused = await work();
      assert.ok(E.isLeft(refused));
      assert.match(describeError(refused.left), remedy);
    }
    assert.equal(await Deno.readTextFile(`${root}/${SEGMENT}`), before);
    assert.ok((await orThrow(pruneRun(store, "a", keepLast(1)))).collected.objects > 0);
    assert.deepEqual((await orThrow(verifyRun(store, "a"))).problems, []);
  },
);

backendTest(
  "cpu",
  "a prune that cannot go on says what was done, and what to do",
  async (device) => {
    await using place = await trained(device);
    const { root, store } = place;
    const full: LogError = {
      type: "LogUnavailable",
      action: "append to the log",
      place: `${root}/a`,
      reason: "No space left on device (os error 28)",
    };
    const open: Store["log"]["open"] = (run) => async () => {
      const opened = await store.log.open(run)();
      return E.isLeft(opened) ? opened : E.right({ ...opened.right, append: () => TE.left(full) });
    };
    const cut = await pruneRun({ ...store, log: { ...store.log, open } }, "a", keepLast(1))();
    assert.ok(E.isLeft(cut));
    assert.match(
      describeError(cut.left),
      /^Nothing of run "a" was pruned: .*No space left.*`foldlog gc` frees/,
    );
    const view = `${root}/a/checkpoints/step-000003`;
    await Deno.rename(view, `${root}/elsewhere`);
    await Deno.symlink(`${root}/elsewhere`, view);
    const hidden = await pruneRun(store, "a", keepLast(1))();
    assert.ok(E.isLeft(hidden));
    assert.match(
      describeError(hidden.left),
      /^The log of run "a" says that its snapshots of steps 3, 6(?:, 9)? are pruned; .*step-000003.*prune again/,
    );
    await Deno.remove(view);
    assert.ok((await orThrow(pruneRun(store, "a", keepLast(1)))).collected.objects > 0);
  },
);

backendTest(
  "cpu",
  "a log that lost its end, its state cache too, keeps what its view shows, and verify says so",
  async (device) => {
    await using place = await trained(device);
    const { root, store } = place;
    await cutAfter(root, '"step":4');
    const { ok, problems } = await orThrow(verifyRun(store, "a"));
    assert.deepEqual(
      [ok, problems.map(({ type, step }) => [type, step])],
      [false, [["ViewUnnamed", 6], ["ViewUnnamed", 9], ["ViewUnnamed", 12]]],
    );
    assert.match(problems[0]!.message, /the log ends at step 4: the log has lost its end.*backup/);
    assert.equal((await orThrow(collectGarbage(store))).objects, 0);
    assert.equal((await orThrow(pruneRun(store, "a", keepLast(1)))).collected.objects, 0);
    assert.equal((await orThrow(store.snapshots.list())).length, 4);
    await orThrow(trainRun({ store, device }, "a", goldenTask));
    assert.deepEqual((await orThrow(verifyRun(store, "a"))).problems, []);
  },
);

backendTest(
  "cpu",
  "a snapshot that was being stored when its process was killed is no problem, and is kept",
  async (device) => {
    await using place = await trained(device);
    const { root, store } = place;
    for (const later of ["9", "12"].map((step) => `step-${step.padStart(6, "0")}`)) {
      await Deno.remove(`${root}/a/checkpoints/${later}`, { recursive: true });
    }
    await cutAfter(root, '"step":6');
    assert.deepEqual((await orThrow(verifyRun(store, "a"))).problems, []);
    assert.ok((await orThrow(collectGarbage(store))).objects > 0);
    assert.equal((await orThrow(store.snapshots.list())).length, 2);
  },
);

backendTest(
  "cpu",
  "a view that the log has passed without naming it is reported, kept, and hidden by repair",
  async (device) => {
    await using place = await trained(device);
    const { store } = place;
    const [one] = await orThrow(store.snapshots.list());
    const odd = { ...await orThrow(store.snapshots.get(one!)), step: 7 };
    (await orThrow(store.snapshots.put("a", odd))).release();
    const { problems } = await orThrow(verifyRun(store, "a"));
    assert.deepEqual(problems.map(({ type, step }) => [type, step]), [["ViewUnnamed", 7]]);
    assert.equal((await orThrow(collectGarbage(store))).objects, 0);
    const means = () => Promise.reject(new Error("nothing needs recomputing"));
    assert.equal((await orThrow(repairRun(store, "a", means))).ok, true);
    assert.equal((await orThrow(collectGarbage(store))).objects, 1);
    assert.deepEqual(await orThrow(store.snapshots.shown("a")).then((all) => all.length), 4);
  },
);

backendTest("cpu", "verify takes no snapshot for lost that is pruned meanwhile", async (device) => {
  await using place = await trained(device);
  const { store } = place;
  const log: Store["log"] = {
    ...store.log,
    read: (run) => async () => {
      const contents = await store.log.read(run)();
      await orThrow(pruneRun(fileStore(place.root), "a", keepLast(1)));
      return contents;
    },
  };
  assert.deepEqual((await orThrow(verifyRun({ ...store, log }, "a"))).problems, []);
});

/** Changes a byte of the manifest of the snapshot of a step. */
async function damageManifest(root: string, step: number): Promise<void> {
  const path = `${root}/a/checkpoints/step-00000${step}/manifest.json`;
  const bytes = await Deno.readFile(path);
  bytes[20]! ^= 1;
  await Deno.chmod(path, 0o644);
  await Deno.writeFile(path, bytes); // in place: the object has the same bytes
}

/** Takes the end from a log, after the first line that has `text` in it, and its state cache. */
async function cutAfter(root: string, text: string): Promise<void> {
  const log = await Deno.readTextFile(`${root}/${SEGMENT}`);
  await Deno.truncate(`${root}/${SEGMENT}`, log.indexOf("\n", log.indexOf(text)) + 1);
  await Deno.remove(`${root}/a/state.json`);
}

async function trained(
  device: Device,
  options?: TrainOptions,
): Promise<AsyncDisposable & { readonly root: string; readonly store: Store }> {
  const root = await Deno.makeTempDir();
  const store = fileStore(root);
  await orThrow(trainRun({ store, device }, "a", goldenTask, options));
  return { root, store, [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
}
