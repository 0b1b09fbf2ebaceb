import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  arraySource,
  defineTask,
  type Device,
  type HostTensor,
  key,
  memoryStore,
  normal,
  orThrow,
  type PartialConfig,
  readParams,
  readRun,
  type Store,
  trainRun,
} from "foldlog";
import * as tf from "foldlog/tf";
import { fileStore } from "../../src/adapters/file_store.ts";
import type { LeafPattern } from "../../src/train/leaf_pattern.ts";
import { backendTest } from "../support/backends.ts";
import { expectSame, hazardTask } from "../support/hazard_runs.ts";
import { namesIn } from "../support/snapshot_files.ts";

/** Elements of the base, of which no other tensor has as many. */
const BASE = 7;

/** A base that is scaled, six steps, with a snapshot of every second. */
function task(
  config: PartialConfig = {},
  trainable: LeafPattern | readonly LeafPattern[] = "scale",
) {
  const x: HostTensor = { dtype: "float32", shape: [4, BASE], data: normal(key(1), 4 * BASE) };
  const loss = (
    { base, scale }: { readonly base: tf.Tensor; readonly scale: tf.Tensor },
    { x }: { readonly x: tf.Tensor },
  ) => tf.mean<tf.Scalar>(tf.squaredDifference(tf.sum(tf.mul(x, tf.mul(base, scale)), 1), 1));
  return defineTask({
    name: "scaled",
    config: {
      steps: { max: 6 },
      batch: { size: 2, micro: 2 },
      optimizer: { learningRate: 0.1 },
      save: { every: 2 },
      evaluate: { every: 3, batches: 1 },
      fingerprint: { every: 1 },
      ...config,
    },
    data: arraySource("x", { x }),
    evaluation: { data: arraySource("held out", { x }), loss },
    trainable,
    init: () => ({ base: tf.tensor(normal(key(2), BASE)), scale: tf.tensor1d([0.5]) }),
    loss,
  });
}

backendTest(
  "cpu",
  "two snapshots and two runs share one object of a frozen base",
  async (device) => {
    const root = await Deno.makeTempDir();
    try {
      const store = fileStore(root);
      await train(device, store, task({ ema: { decay: 0.5 } }), "a");
      await train(device, store, task({ optimizer: { learningRate: 0.2 } }), "b");
      const digests: Record<string, Set<string>> = {};
      for (const run of ["a", "b"]) {
        for (const { step, snapshot } of (await orThrow(readRun(store, run))).state.snapshots) {
          const { files, leaves } = await orThrow(store.snapshots.manifest(snapshot));
          const expected = ["base", ...(run === "a" ? ["ema"] : []), "model", "optimizer"];
          assert.deepEqual(Object.keys(files).sort(), expected);
          for (const [group, { digest }] of Object.entries(files)) {
            (digests[group] ??= new Set()).add(digest);
          }
          (digests["manifest"] ??= new Set()).add(snapshot);
          assert.deepEqual(
            Object.keys(leaves).filter((name) => !name.startsWith("optimizer/")),
            ["base/base", ...(run === "a" ? ["ema/scale"] : []), "model/scale"],
          );
          const shown = `${root}/${run}/checkpoints/step-${String(step).padStart(6, "0")}`;
          assert.deepEqual(
            namesIn(shown),
            [...expected.map((group) => `${group}.safetensors`), "manifest.json"].sort(),
          );
        }
      }
      assert.equal(digests["base"]!.size, 1);
      assert.equal(digests["model"]!.size, 6);
      assert.equal(digests["manifest"]!.size, 6);
      const kept = new Set(Object.values(digests).flatMap((some) => [...some]));
      const objects = namesIn(`${root}/objects`).filter((name) => name.length === 2)
        .flatMap((name) => namesIn(`${root}/objects/${name}`));
      assert.deepEqual(objects.toSorted(), [...kept].sort());
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
);

for (const memory of [true, false]) {
  const where = memory ? "memory" : "files";
  backendTest("cpu", `a frozen base is read once for all snapshots (${where})`, async (device) => {
    const root = await Deno.makeTempDir();
    try {
      const store = memory ? memoryStore() : fileStore(root);
      let reads = 0;
      const counting: Device = {
        ...device,
        read(tensor, reuse) {
          if (tensor.size === BASE) reads++;
          return device.read(tensor, reuse);
        },
      };
      await train(counting, store, task());
      assert.equal(reads, 1 + 1); // for the digest of step 0, and for the first snapshot
      const { snapshots } = (await orThrow(readRun(store, "run"))).state;
      assert.deepEqual(snapshots.map(({ step }) => step), [2, 4, 6]);
      const scales = await Promise.all(snapshots.map(async ({ snapshot }) => {
        const { base, model } = (await orThrow(store.snapshots.get(snapshot))).groups;
        assert.deepEqual([...base!.get("base")!.data], [...normal(key(2), BASE)]);
        return model!.get("scale")!.data[0]!;
      }));
      assert.equal(new Set(scales).size, 3);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  });
}

backendTest(
  "cpu",
  "a partly frozen training resumes bit for bit, paused or killed",
  async (device) => {
    for (const trainable of ["1.*", ["0.weight", "1.bias"]]) {
      const make = () => ({ ...hazardTask({ ema: { decay: 0.5 } }), trainable });
      await expectSame(device, make, [1, 5, 8]);
    }
  },
);

backendTest("cpu", "the average is evaluated with the frozen base", async (device) => {
  const store = memoryStore();
  await train(device, store, task({ ema: { decay: 0.5 } }));
  const { state, events } = await orThrow(readRun(store, "run"));
  const { groups } = await orThrow(store.snapshots.get(state.snapshots.at(-1)!.snapshot));
  const base = groups["base"]!.get("base")!.data;
  const x = normal(key(1), 2 * BASE); // the first two held-out samples
  const [loss, emaLoss] = ["model", "ema"].map((group) => {
    const scale = groups[group]!.get("scale")!.data[0]!;
    const sums = [0, 1].map((row) =>
      [...base].reduce((sum, value, at) => sum + value * scale * x[row * BASE + at]!, 0)
    );
    return sums.reduce((sum, value) => sum + (value - 1) ** 2 / 2, 0);
  });
  const taken = events.map(({ event }) => event).findLast(({ type }) => type === "EvaluationTaken");
  assert.ok(taken?.type === "EvaluationTaken" && Math.abs(loss! - emaLoss!) > 1e-3);
  assert.ok(Math.abs(taken.data.loss / loss! - 1) < 1e-5);
  assert.ok(Math.abs(taken.data.emaLoss! / emaLoss! - 1) < 1e-5);
});

backendTest("cpu", "readParams() gives the trained and the frozen parameters", async (device) => {
  const store = memoryStore();
  await train(device, store, task());
  const params = await orThrow(readParams(store, "run"));
  assert.deepEqual([...params.keys()].sort(), ["base", "scale"]);
  assert.deepEqual([...params.get("base")!.data], [...normal(key(2), BASE)]);
});

backendTest(
  "cpu",
  "a snapshot in which other parameters were frozen is refused",
  async (device) => {
    const cases = [
      ["scale", "*", 'expected "base" to be trained, found that it was frozen'],
      ["*", "scale", 'expected "base" to be frozen, found that it was trained'],
      ["scale", "base", 'expected "scale" to be frozen, found that it was trained'],
    ] as const;
    for (const [before, now, reason] of cases) {
      const store = memoryStore();
      await orThrow(trainRun({ store, device }, "run", task({}, before), { until: 3 }));
      const result = await trainRun({ store, device }, "run", task({}, now))();
      assert.ok(E.isLeft(result));
      assert.deepEqual(result.left, { type: "StateDiffers", step: 3, reason });
    }
  },
);

backendTest(
  "cpu",
  "a slip in what is trainable is told before anything is stored",
  async (device) => {
    const store = memoryStore();
    await assert.rejects(train(device, store, task({}, "scales")), {
      name: "TypeError",
      message: "Expected every pattern of trainable to match a parameter, found none for scales " +
        "among base, scale",
    });
    assert.deepEqual(await orThrow(store.log.runs()), []);
  },
);

async function train(
  device: Device,
  store: Store,
  task: Parameters<typeof trainRun>[2],
  run = "run",
): Promise<void> {
  const { status } = await orThrow(trainRun({ store, device }, run, task));
  assert.equal(status, "completed");
}
