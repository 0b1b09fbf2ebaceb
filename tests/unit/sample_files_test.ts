import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import {
  type Device,
  fileStore,
  orThrow,
  readRun,
  type RepairMeans,
  repairRun,
  resumeRun,
  type Store,
  type Task,
  trainRun,
  verifyRun,
} from "foldlog";
import { backendTest } from "../support/backends.ts";
import { RUN } from "../support/evaluated_task.ts";
import { sampledTask, slopeFiles } from "../support/sampled_task.ts";

backendTest("cpu", "samples are shown by their names, stored once", async (device) => {
  await using files = await filesOf(device);
  const names = [...Deno.readDirSync(files.view)].map(({ name }) => name).sort();
  assert.deepEqual(
    names,
    [2, 4].flatMap((step) => [`step_${step}_slope.bin`, `step_${step}_slope.txt`]),
  );
  for (const { name, digest } of await files.samples()) {
    const path = `${files.view}/${name}`;
    assert.deepEqual(Deno.readFileSync(path), await orThrow(files.store.sources.get(digest)));
    assert.equal(Deno.statSync(path).ino, Deno.statSync(files.object(digest)).ino);
  }
});

backendTest(
  "cpu",
  "verify and its repair see to what is shown: lost, other bytes, or something else",
  async (device) => {
    await using files = await filesOf(device);
    const [first, second, third] = await files.samples();
    Deno.removeSync(`${files.view}/${first!.name}`);
    Deno.removeSync(`${files.view}/${second!.name}`);
    Deno.writeTextFileSync(`${files.view}/${second!.name}`, "another");
    Deno.removeSync(`${files.view}/${third!.name}`);
    Deno.mkdirSync(`${files.view}/${third!.name}`);
    const { problems } = await orThrow(verifyRun(files.store, RUN));
    assert.deepEqual(problems.map(({ type }) => type), Array(3).fill("ViewDiffers"));
    const found = problems.map(({ message }) => message).join("\n");
    assert.match(found, /step_2_slope\.bin: expected a file, found none/);
    assert.match(found, /step_2_slope\.txt: expected the bytes of \w{12}, found others/);
    assert.match(found, /step_4_slope\.bin: expected a file, found a directory/);
    const report = await orThrow(repairRun(files.store, RUN, unused));
    assert.deepEqual([report.ok, report.repaired.derived.length], [true, 3]);
    for (const { name, digest } of [first!, second!, third!]) {
      assert.equal(
        Deno.statSync(`${files.view}/${name}`).ino,
        Deno.statSync(files.object(digest)).ino,
      );
    }
    assert.ok(existsSync(`${files.view}/${third!.name}.aside`));
  },
);

backendTest(
  "cpu",
  "a view of samples that was deleted as a whole is no problem, and a repair makes it again",
  async (device) => {
    await using files = await filesOf(device);
    Deno.removeSync(files.view, { recursive: true });
    assert.deepEqual((await orThrow(verifyRun(files.store, RUN))).problems, []);
    const { ok } = await orThrow(repairRun(files.store, RUN, unused));
    assert.ok(ok);
    assert.equal([...Deno.readDirSync(files.view)].length, 4);
  },
);

backendTest(
  "cpu",
  "samples that are lost or damaged are named, and computed again as they were",
  async (device) => {
    await using files = await filesOf(device);
    const config = { optimizer: { learningRate: 0.03125 } }; // leaves a branch with samples of step 4
    await orThrow(resumeRun({ store: files.store, device }, RUN, sampledTask(), { at: 2, config }));
    const samples = await files.samples();
    assert.equal(samples.length, 6);
    for (const { digest } of samples) Deno.removeSync(files.object(digest));
    Deno.writeFileSync(files.object(samples[0]!.digest), new Uint8Array(samples[0]!.bytes));
    const { problems } = await orThrow(verifyRun(files.store, RUN));
    const lost = problems.filter(({ type }) => type === "SampleUnreadable");
    assert.deepEqual(lost.map(({ step }) => step), [2, 2, 4, 4, 4, 4]);
    assert.match(lost[0]!.message, /^Sample step_2_slope\.bin of step 2 is lost: .*damaged/);
    assert.match(
      lost[1]!.message,
      /step_2_slope\.txt .* missing.* --repair` computes it again\.$/s,
    );
    const report = await orThrow(repairRun(files.store, RUN, meansOf(device)));
    assert.deepEqual(report.problems, []);
    for (const { digest, bytes } of samples) {
      assert.equal((await orThrow(files.store.sources.get(digest))).length, bytes);
    }
    const made = report.repaired.derived.filter((line) => /: made anew, as recorded$/.test(line));
    assert.equal(made.length, 6);
  },
);

backendTest(
  "cpu",
  "samples that the task does not make any more stay lost, which is said",
  async (device) => {
    await using files = await filesOf(device);
    const [sample] = await files.samples();
    Deno.removeSync(files.object(sample!.digest));
    const other: Task = {
      ...sampledTask(),
      artifacts: async (params, key, device, step) =>
        (await slopeFiles(params, key, device, step)).slice(1),
    };
    const { ok, problems } = await orThrow(repairRun(files.store, RUN, meansOf(device, other)));
    assert.equal(ok, false);
    assert.deepEqual(problems.map(({ type, step }) => [type, step]), [
      ["SampleUnreadable", 2],
      ["Diverged", 2],
    ]);
  },
);

backendTest("cpu", "nothing is shown through a symbolic link", async (device) => {
  await using files = await filesOf(device);
  const elsewhere = `${files.root}/elsewhere`;
  Deno.removeSync(files.view, { recursive: true });
  Deno.mkdirSync(elsewhere);
  Deno.symlinkSync(elsewhere, files.view);
  const { problems } = await orThrow(verifyRun(files.store, RUN));
  assert.match(problems[0]!.message, /expected a directory, found a symbolic link/);
  const report = await orThrow(repairRun(files.store, RUN, unused));
  assert.equal(report.ok, false);
  assert.match(
    report.problems.map(({ message }) => message).join("\n"),
    /expected no symbolic link/,
  );
  assert.deepEqual([...Deno.readDirSync(elsewhere)], []);
});

/** A store on disk with the run of `sampledTask`. */
async function filesOf(device: Device) {
  const root = await Deno.makeTempDir();
  const store: Store = fileStore(root);
  await orThrow(trainRun({ store, device }, RUN, sampledTask()));
  return {
    root,
    store,
    view: `${root}/${RUN}/validation_samples`,
    object: (digest: string) => `${root}/objects/${digest.slice(0, 2)}/${digest}`,
    /** Of all branches, in the order of the log. */
    samples: async () =>
      (await orThrow(readRun(store, RUN))).events.flatMap(({ event }) =>
        event.type === "SamplesTaken" ? event.data.samples : []
      ),
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

function meansOf(device: Device, task: Task = sampledTask()): () => Promise<RepairMeans> {
  return () => Promise.resolve({ device, task });
}

function unused(): Promise<RepairMeans> {
  throw new Error("nothing has to be recomputed");
}
