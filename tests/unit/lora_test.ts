import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import type { HostTensor } from "../../src/core/host_tensor.ts";
import { key, normal } from "../../src/core/rng_key.ts";
import {
  initLora,
  type LoraAdapter,
  loraDense,
  type LoraOptions,
  loraScale,
  mergeLora,
  unmergeLora,
  withLora,
} from "../../src/model/lora.ts";
import { initMlp, mlpLogits, type MlpParams } from "../../src/model/mlp.ts";
import { regressionLoss, type SupervisedTensors } from "../../src/model/supervised_loss.ts";
import type { Device } from "../../src/ports/device.ts";
import { adamw } from "../../src/train/adamw.ts";
import type { Loss } from "../../src/train/loss.ts";
import { release, scoped } from "../../src/train/ownership.ts";
import { initialTrainState, tensorsOf } from "../../src/train/train_state.ts";
import { trainStep } from "../../src/train/train_step.ts";
import { leafFinder, leavesOf, type Tree } from "../../src/train/tree.ts";
import { backendTest } from "../support/backends.ts";
import { assertSlopes, unsettled } from "../support/slope.ts";

const SIZES = { inputs: 3, hidden: [5], outputs: 4, activation: "gelu" } as const;
const OPTIONS: LoraOptions = { rank: 2, alpha: 3, targets: ["layers.*.weight"] };

type Adapted = { readonly base: MlpParams; readonly lora: Tree };

const mlpLoss = regressionLoss<MlpParams>((params, x) => mlpLogits(params, x, SIZES));

function adaptedLoss({ base, lora }: Adapted, batch: SupervisedTensors): tf.Scalar {
  return mlpLoss(withLora(base, lora, OPTIONS), batch);
}

function initAdapted(): Adapted {
  const base = initMlp(SIZES, key(1));
  return { base, lora: initLora(base, OPTIONS, key(2)) };
}

backendTest("cpu", "initLora() puts an adapter where each target is, and nothing elsewhere", () => {
  const { base, lora } = scoped(initAdapted);
  assert.deepEqual(leavesOf(lora).map(([path, { shape }]) => [path, shape]), [
    ["layers.0.weight.a", [3, 2]],
    ["layers.0.weight.b", [2, 5]],
    ["layers.1.weight.a", [5, 2]],
    ["layers.1.weight.b", [2, 4]],
  ]);
  release([base, lora]);
});

backendTest("cpu", "an adapter begins the same whatever else is adapted", async (device) => {
  const { base, lora } = scoped(initAdapted);
  const one = scoped(() => initLora(base, { ...OPTIONS, targets: [/1\.weight/] }, key(2)));
  assert.deepEqual(await readAll(device, one), (await readAll(device, lora)).slice(2));
  release([base, lora, one]);
});

for (const backend of BACKENDS) {
  backendTest(backend, "withLora() of a new adapter is the base, bit for bit", async (device) => {
    const { base, lora } = scoped(initAdapted);
    const adapted = scoped(() => withLora(base, lora, OPTIONS));
    assert.deepEqual(await readAll(device, adapted), await readAll(device, base));
    release(adapted, base);
    release([base, lora]);
  });

  backendTest(backend, "mergeLora() then unmergeLora() is the base within 1e-6", async (device) => {
    const base = scoped(() => initMlp(SIZES, key(1)));
    const lora = scoped(() => unsettled(initLora(base, OPTIONS, key(2))));
    const merged = mergeLora(base, lora, OPTIONS);
    const again = unmergeLora(merged, lora, OPTIONS);
    const expected = await readAll(device, base);
    assert.notDeepEqual(await readAll(device, merged), expected);
    for (const [index, { data }] of (await readAll(device, again)).entries()) {
      data.forEach((value, place) => {
        assert.ok(Math.abs(value - expected[index]!.data[place]!) <= 1e-6);
      });
    }
    release(again, base); // what was no target is the base's own
    release(merged, base);
    release([base, lora]);
  });

  backendTest(
    backend,
    "three steps leave each bit of a frozen base and train its adapters",
    async (device) => {
      const optimizer = adamw({ weightDecay: 0.1 });
      const loss = adaptedLoss as unknown as Loss<Adapted>;
      const training = { loss, optimizer, schedule: () => 0.1, key: key(0) };
      let state = initialTrainState(initAdapted, optimizer, { trainable: "lora.*" });
      const before = await readAll(device, state.params);
      for (let step = 0; step < 3; step++) {
        const batch = { inputs: hostNormal([2, 3]), targets: hostNormal([2, 4]) };
        const next = trainStep(training, state, [batch]);
        release(tensorsOf(state), tensorsOf(next.state));
        next.metrics.values.dispose();
        state = next.state;
      }
      const after = await readAll(device, state.params);
      for (const [index, [path]] of leavesOf(state.params).entries()) {
        if (path.startsWith("base.")) assert.deepEqual(after[index], before[index], path);
        else assert.notDeepEqual(after[index], before[index], path);
      }
      release(tensorsOf(state));
    },
  );
}

backendTest("cpu", "the gradients of base and adapters are their slopes", async (device) => {
  const params = scoped(() => unsettled(initAdapted()));
  const inputs = tf.tensor2d(normal(key(3), 6), [2, 3]);
  const targets = tf.tensor2d(normal(key(4), 8), [2, 4]);
  await assertSlopes(device, params, (params) => adaptedLoss(params, { inputs, targets }));
  release([params, inputs, targets]);
});

backendTest("cpu", "a convolution's kernel is adapted as [h w in, out]", async (device) => {
  const options = { rank: 2, alpha: 2, targets: ["kernel"], rslora: true };
  const kernel = tf.tensor4d(normal(key(5), 24), [2, 2, 3, 2]);
  const lora = scoped(() => unsettled(initLora({ kernel }, options, key(6))));
  const [expected, found] = scoped(() => {
    const { a, b } = adapterOf(lora, "kernel");
    const change = tf.mul(tf.matMul(a, b), Math.SQRT2);
    const merged = withLora({ kernel }, lora, options).kernel;
    return [tf.reshape(change, kernel.shape), tf.sub(merged, kernel)];
  }) as [tf.Tensor, tf.Tensor];
  const [change, difference] = [await device.read(expected), await device.read(found)];
  assert.deepEqual(difference.shape, [2, 2, 3, 2]);
  difference.data.forEach((value, index) =>
    assert.ok(Math.abs(value - change.data[index]!) < 1e-6)
  );
  release([kernel, lora, expected, found]);
});

backendTest(
  "cpu",
  "loraDense() is a dense layer of withLora()'s weight; dropout is its adapter's alone",
  async (device) => {
    const layer = {
      weight: tf.tensor2d(normal(key(7), 12), [3, 4]),
      bias: tf.tensor1d([1, 2, 3, 4]),
    };
    const options = { ...OPTIONS, targets: ["weight"] };
    const lora = scoped(() => unsettled(initLora(layer, options, key(8)))) as Tree;
    const adapter = adapterOf(lora, "weight");
    const x = tf.tensor2d(normal(key(9), 6), [2, 3]);
    const results = scoped(() => {
      const { weight, bias } = withLora(layer, lora, options);
      const drop = { rate: 0.9, key: key(1) };
      const none = { ...adapter, b: tf.zerosLike(adapter.b) };
      return [
        tf.add(tf.matMul(x, weight), bias),
        loraDense(x, layer, adapter, loraScale(options)),
        loraDense(x, layer, adapter, loraScale(options), drop),
        tf.add(tf.matMul(x, layer.weight), layer.bias),
        loraDense(x, layer, none, loraScale(options), drop),
      ];
    });
    const [merged, beside, dropped, base, idle] = (await readAll(device, results))
      .map(({ data }) => [...data]) as [number[], number[], number[], number[], number[]];
    const off = (a: number[], b: number[]) =>
      Math.max(...a.map((value, index) => Math.abs(value - b[index]!)));
    assert.ok(off(merged, beside) < 1e-5);
    assert.ok(off(dropped, beside) > 1e-2);
    assert.ok(off(base, idle) < 1e-5);
    release([layer, lora, x, results]);
  },
);

Deno.test("loraScale() is alpha / rank, and alpha / sqrt(rank) for rsLoRA", () => {
  assert.equal(loraScale({ rank: 4, alpha: 8 }), 2);
  assert.equal(loraScale({ rank: 4, alpha: 8, rslora: true }), 4);
});

backendTest("cpu", "targets and adapters that do not fit are refused by name", () => {
  tf.tidy(() => {
    const { base, lora } = initAdapted();
    const init = (options: Partial<LoraOptions>) => () =>
      initLora(base, { ...OPTIONS, ...options }, key(2));
    const merge = (adapters: Tree, options: Partial<LoraOptions> = {}) => () =>
      withLora(base, adapters, { ...OPTIONS, ...options });
    const twice = { ...OPTIONS, targets: ["*.weight", "layer.*"] };
    assert.throws(init(twice), { name: "TypeError", message: /found none for layer\.\* among/ });
    assert.throws(init({ targets: [/bia$/] }), { message: /found none for \/bia\$\/ among/ });
    assert.throws(init({ targets: [] }), { message: "Expected at least one target, found none" });
    assert.throws(init({ targets: ["*"] }), { message: /found "layers\.0\.bias" of shape \[5\]/ });
    assert.throws(init({ rank: 0 }), { name: "RangeError", message: /rank: expected an integer/ });
    assert.throws(merge(lora, { rank: 3 }), {
      name: "RangeError",
      message: 'Expected an adapter [3,3] and [3,5] at "layers.0.weight", found [3,2] and [2,5]',
    });
    assert.throws(merge({}), { message: 'Expected a tensor at "layers.0.weight.a", found none' });
    assert.throws(merge(lora, { targets: ["*.0.weight"] }), {
      message: 'Expected adapters of the targets only, found one at "layers.1.weight.a"',
    });
  });
});

function adapterOf(lora: Tree, path: string): LoraAdapter {
  const at = leafFinder(lora);
  return { a: at(`${path}.a`) as tf.Tensor2D, b: at(`${path}.b`) as tf.Tensor2D };
}

function hostNormal(shape: readonly [number, number]): HostTensor {
  return { dtype: "float32", shape, data: normal(key(10), shape[0] * shape[1]) };
}

async function readAll(device: Device, tree: Tree): Promise<readonly HostTensor[]> {
  return await Promise.all(leavesOf(tree).map(([, leaf]) => device.read(leaf)));
}
