import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import * as tf from "foldlog/tf";
import { canonicalJson, parseJson } from "../../src/codec/canonical_json.ts";
import { sha256 } from "../../src/codec/digest.ts";
import { decodeLine, encodeLine, seal } from "../../src/codec/envelope_codec.ts";
import { decodeEvent, encodeEvent } from "../../src/codec/event_codec.ts";
import { decodeManifest } from "../../src/codec/manifest_codec.ts";
import { packSnapshot, unpackSnapshot } from "../../src/codec/snapshot_codec.ts";
import { checkConfig } from "../../src/core/check_config.ts";
import { defaultConfig, mergeConfig } from "../../src/core/config.ts";
import { assign } from "../../src/core/config_path.ts";
import type { RunStarted } from "../../src/core/event.ts";
import { key } from "../../src/core/rng_key.ts";
import { clipByGlobalNorm } from "../../src/train/clip.ts";
import { embedding } from "../../src/train/kernels/embedding.ts";
import { release, scoped } from "../../src/train/ownership.ts";
import { sgd } from "../../src/train/sgd.ts";
import { tensorsOf } from "../../src/train/train_state.ts";
import { trainStep } from "../../src/train/train_step.ts";
import { leavesOf, mapTree } from "../../src/train/tree.ts";
import { goldenEvents, goldenSnapshot, goldenStamp } from "../golden/golden_run.ts";
import { backendTest } from "../support/backends.ts";

const line = encodeLine(seal(undefined, goldenEvents[18]!, goldenStamp(0)));
const started = goldenEvents[0] as RunStarted;

Deno.test("decodeLine() never throws on -0 in the envelope", () => {
  for (const name of ["position", "session", "format"]) {
    const hostile = line.replace(new RegExp(`"${name}":[0-9]+`), `"${name}":-0`);
    assert.ok(E.isLeft(decodeLine(hostile, undefined)), name);
  }
});

Deno.test("decodeLine() never throws on a lone surrogate", () => {
  const hostile = line.replace("2026-01", "\\ud800");
  assert.ok(E.isLeft(decodeLine(hostile, undefined)));
});

Deno.test("every config that checkConfig() takes can be read back from RunStarted", () => {
  for (const text of ["seed=-0", "save.every=-0", "schedule.warmupSteps=-0", "evaluate.every=-0"]) {
    const config = E.chain(checkConfig)(assign(defaultConfig, text));
    if (E.isLeft(config)) continue; // refused is fine
    const event = { ...started, data: { ...started.data, config: config.right } };
    assert.deepEqual(decodeEvent(encodeEvent(event)), E.right(event), text);
  }
});

Deno.test("checkConfig() refuses own settings that the log could not keep", () => {
  for (const own of [-0, NaN, Infinity]) {
    const config = checkConfig(mergeConfig(defaultConfig, { model: { x: own } }));
    assert.ok(E.isLeft(config), String(own));
  }
});

Deno.test("decodeManifest() refuses what is not canonical", () => {
  const text = new TextDecoder().decode(packSnapshot(goldenSnapshot).manifestBytes);
  for (
    const other of [
      ` ${text}`,
      `${text}\n`,
      text.replace('"step":3', '"step":3.0'),
      text.replace('"task":"golden"', '"task":"g\\u006flden"'),
      text.replace('"index":0', '"index":-0'),
      text.replace('"task":"golden"', '"task":"\\ud800"'),
    ]
  ) {
    assert.notEqual(other, text);
    assert.ok(E.isLeft(decodeManifest(new TextEncoder().encode(other))), other.slice(-40));
  }
});

backendTest("cpu", "mapTree() names the place where another tree has more", () => {
  const [a, b] = [tf.scalar(1), tf.scalar(2)];
  assert.throws(() => mapTree((x) => x, { a }, { a, b }), TypeError);
  assert.throws(() => mapTree((x) => x, [a], [a, b]), TypeError);
  assert.throws(() => mapTree((x) => x, [a], { 0: a }), TypeError);
  tf.dispose([a, b]);
});

backendTest("cpu", "clipByGlobalNorm() does as documented where the norm overflows", async () => {
  for (const values of [[Infinity, 1], [1e30, 1]]) {
    const u = scoped(() => {
      const g = { w: tf.tensor1d(values) };
      return clipByGlobalNorm(1).update(g, {}, g, { step: 0, learningRate: 1 }).updates;
    });
    const found = [...await u.w.data()];
    u.w.dispose();
    assert.deepEqual(found, values.map((value) => Number.isFinite(value) ? 0 : NaN));
  }
});

backendTest("cpu", "trainStep() holds gradients as many as the tree of grains is deep", () => {
  const peak = (count: number) => {
    let most = 0;
    const params = { a: tf.zeros([3]), b: tf.scalar(1) };
    const before = tf.memory().numTensors;
    const result = trainStep(
      {
        loss: (p: typeof params) => {
          most = Math.max(most, tf.memory().numTensors - before);
          return tf.add(tf.sum(p.a), p.b) as tf.Scalar;
        },
        optimizer: sgd(),
        schedule: () => 1,
        key: key(1),
      },
      { step: 0, params, optimizer: {} },
      Array(count).fill({}),
    );
    release([params, tensorsOf(result.state), result.metrics.values]);
    return most;
  };
  // Two gradients and a loss for each level of the tree that 64 grains have and 4 have not.
  assert.ok(peak(64) <= peak(4) + 4 * 3, `${peak(4)} tensors for 4 grains, ${peak(64)} for 64`);
});

Deno.test("decodeEvent() names the place in RunResumed's environment", () => {
  const { backend: _, ...environment } = started.data.environment;
  const result = decodeEvent({ type: "RunResumed", data: { step: 1, environment } });
  assert.ok(E.isLeft(result) && result.left.includes("backend"), JSON.stringify(result));
});

Deno.test("checkConfig() refuses numbers that are not finite", () => {
  for (const name of ["learningRate", "weightDecay", "epsilon"] as const) {
    assert.ok(
      E.isLeft(checkConfig(mergeConfig(defaultConfig, { optimizer: { [name]: Infinity } }))),
      name,
    );
  }
  assert.ok(E.isLeft(checkConfig(mergeConfig(defaultConfig, { clip: { norm: Infinity } }))));
});

Deno.test("checkConfig() blames the batch size that is no whole number, not batch.micro", () => {
  const result = checkConfig(mergeConfig(defaultConfig, { batch: { size: 0.5, micro: 1 } }));
  assert.ok(
    E.isLeft(result) && result.left.type === "BadSetting" && result.left.path === "batch.size",
    JSON.stringify(result),
  );
});

backendTest("cpu", "leavesOf() refuses names with a dot: two leaves could have one path", () => {
  const [a, b] = [tf.scalar(1), tf.scalar(2)];
  assert.throws(() => leavesOf({ "h.0": a, h: [b] }), TypeError);
  tf.dispose([a, b]);
});

Deno.test("decodeLine() refuses an envelope that docs/format.md does not allow", () => {
  const { digest: _, ...rest } = JSON.parse(line);
  for (const change of [{ format: 0 }, { recordedAt: "yesterday" }, { session: 0 }]) {
    const body = { ...rest, ...change };
    const forged = canonicalJson({ ...body, digest: sha256(canonicalJson(body)) });
    assert.ok(E.isLeft(decodeLine(forged, undefined)), JSON.stringify(change));
  }
});

backendTest("cpu", "embedding() takes ids that the loss computed", async () => {
  const gradient = scoped(() =>
    tf.grad((table) =>
      tf.sum(
        embedding(
          table as tf.Tensor2D,
          tf.add(tf.tensor1d([0, 1], "int32"), tf.scalar(1, "int32")),
        ),
      )
    )(tf.ones([3, 1]))
  );
  const found = [...await gradient.data()];
  gradient.dispose();
  assert.deepEqual(found, [0, 1, 1]);
});

Deno.test("parseJson() reads every key, whatever was read before (V8, nodejs/node#63785)", () => {
  parseJson('{"h":[],"\\\\":0}');
  assert.deepEqual(parseJson('{"h":1,"\\"":2}'), E.right({ h: 1, '"': 2 }));
  parseJson('{"x":{},"y\\\\":0}');
  assert.deepEqual(parseJson('{"x":1,"y\\n":2}'), E.right({ x: 1, "y\n": 2 }));
});

Deno.test("unpackSnapshot() finds a wrong length in the manifest", () => {
  const { manifest, files } = packSnapshot(goldenSnapshot);
  const model = { ...manifest.files["model"]!, bytes: 1 };
  assert.ok(E.isLeft(unpackSnapshot({ ...manifest, files: { ...manifest.files, model } }, files)));
});

Deno.test("assign() sets an own setting whose name has a dot", () => {
  const config = mergeConfig(defaultConfig, { model: { "a.b": 1 } });
  const result = assign(config, "model.a.b=2");
  assert.ok(E.isRight(result));
  assert.deepEqual(result.right.model, { "a.b": 2 });
});

backendTest("cpu", "trainStep() names the parameter that the loss does not use", () => {
  const params = { used: tf.scalar(1), unused: tf.scalar(2) };
  try {
    assert.throws(
      () =>
        trainStep(
          {
            loss: (p: typeof params) => tf.square(p.used),
            optimizer: sgd(),
            schedule: () => 1,
            key: key(1),
          },
          { step: 0, params, optimizer: {} },
          [{}],
        ),
      /unused/,
    );
  } finally {
    release(params);
  }
});
