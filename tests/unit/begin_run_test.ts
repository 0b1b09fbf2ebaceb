import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  beginRun,
  collectGarbage,
  defineTask,
  describeError,
  type Device,
  orThrow,
  readParams,
  readRun,
  replayRun,
  type Store,
  trainRun,
  verifyRun,
  weightsOfRun,
} from "foldlog";
import * as tf from "foldlog/tf";
import { backendTest } from "../support/backends.ts";
import { eventsOf, keptBy, tenSteps, trained } from "../support/ten_steps.ts";

/** The line of `tenSteps`, frozen, and a number that is added to its offset, which is trained. */
const adapted = defineTask({
  name: "adapted",
  config: tenSteps.config!,
  data: tenSteps.data,
  trainable: "shift",
  init: (key) => ({ base: tenSteps.init(key), shift: tf.scalar(0) }),
  loss: ({ base, shift }, batch, key) =>
    tenSteps.loss({ ...base, offset: tf.add(base.offset, shift) }, batch, key),
});

const DIGEST = "d".repeat(64);

backendTest("cpu", "a run begins with another's weights as a branch of its own", async (device) => {
  const store = await trained(device);
  const origin = await begun(device, store, 6);
  const parent = await orThrow(readRun(store, "a"));
  const { snapshots } = parent.state;
  assert.deepEqual([origin.takes, origin.into, origin.step], ["weights", "base", 0]);
  assert.deepEqual([origin.parent?.run, origin.parent?.step], ["a", 6]);
  assert.equal(origin.parent?.state, snapshots.find(({ step }) => step === 6)!.state);

  await orThrow(trainRun({ store, device }, "b", adapted));
  const given = (await orThrow(weightsOfRun(store, "a", 6))).tensors;
  const [before, after] = [given, await orThrow(readParams(store, "b"))];
  assert.deepEqual(after.get("base.slope"), before.get("slope"));
  assert.deepEqual(after.get("base.offset"), before.get("offset"));
  assert.notDeepEqual(after.get("shift")?.data, Float32Array.of(0));
  const files = [...(await keptBy(store, "b")).values()].map(async (id) =>
    (await orThrow(store.snapshots.manifest(id))).files["base"]!.digest
  );
  assert.equal(new Set(await Promise.all(files)).size, 1, "the base is stored once");
});

backendTest("cpu", "a run that began with weights is exact without their run", async (device) => {
  const store = await trained(device);
  await begun(device, store, 6);
  await begun(device, store, 6, "c");
  await orThrow(trainRun({ store, device }, "b", adapted));
  await orThrow(store.log.archive("a"));
  await orThrow(collectGarbage(store));
  await orThrow(trainRun({ store, device }, "c", adapted, { until: 5 }));
  await orThrow(trainRun({ store, device }, "c", adapted));
  const [whole, halves] = [await keptBy(store, "b"), new Map(await keptBy(store, "c"))];
  assert.ok(halves.delete(5), "the pause took a snapshot");
  assert.deepEqual(halves, whole);
  assert.deepEqual((await orThrow(verifyRun(store, "c"))).problems, []);
  assert.deepEqual((await orThrow(replayRun({ store, device }, "c", adapted))).problems, []);
});

backendTest("cpu", "a run begins with the weights of a file, which it names", async (device) => {
  const store = await trained(device);
  const { tensors } = await orThrow(weightsOfRun(store, "a"));
  const file = { name: "line.safetensors", digest: DIGEST };
  const origin = await orThrow(
    beginRun({ store, device }, "b", tenSteps, { file, tensors }, { config: { seed: 7 } }),
  );
  assert.deepEqual([origin.file, origin.parent, origin.into], [file, undefined, undefined]);
  const manifest = await orThrow(store.snapshots.manifest(origin.snapshot));
  assert.equal(manifest.history, DIGEST);
  assert.deepEqual(await orThrow(readParams(store, "b")), tensors);
  await orThrow(trainRun({ store, device }, "b", tenSteps));
  const [started] = await eventsOf(store, "b");
  assert.ok(started?.type === "RunStarted");
  assert.deepEqual([started.data.origin, started.data.config.seed], [origin, 7]);
  assert.deepEqual((await orThrow(verifyRun(store, "b"))).problems, []);
});

backendTest(
  "cpu",
  "weights of another model, and none at all, are refused by name",
  async (device) => {
    const store = await trained(device, { until: 7 });
    const refusals = async (into: string | undefined, tensors = weights()) => {
      const given = { file: { name: "w", digest: DIGEST }, tensors };
      const options = into === undefined ? {} : { into };
      const result = await beginRun({ store, device }, "b", adapted, given, options)();
      return E.isLeft(result) ? describeError(result.left) : "none";
    };
    assert.match(await refusals("base"), /weights of w are not.*expected a tensor "offset"/);
    assert.match(await refusals(undefined), /expected a tensor "base.offset", found none/);
    assert.match(await refusals("bass"), /it has no branch "bass"/);
    assert.deepEqual(await orThrow(store.log.runs()), ["a"]);
    const missing = await weightsOfRun(store, "a", 5)();
    assert.ok(E.isLeft(missing));
    assert.match(describeError(missing.left), /no snapshot of step 5; .*steps 2, 4, 6, 7.*a@5/);
    const twice = await beginRun({ store, device }, "a", adapted, {
      file: { name: "w", digest: DIGEST },
      tensors: weights(),
    })();
    assert.ok(E.isLeft(twice) && twice.left.type === "RunExists");
  },
);

function weights() {
  return new Map([["slope", { dtype: "float32", shape: [1], data: Float32Array.of(1) } as const]]);
}

async function begun(device: Device, store: Store, at: number, run = "b") {
  const weights = await orThrow(weightsOfRun(store, "a", at));
  return await orThrow(beginRun({ store, device }, run, adapted, weights, { into: "base" }));
}
