import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { bytesOf, type HostTensor } from "../../src/core/host_tensor.ts";
import { foldIn, key, normal } from "../../src/core/rng_key.ts";
import type { Device } from "../../src/ports/device.ts";
import { adafactor } from "../../src/train/adafactor.ts";
import { adam, adamw } from "../../src/train/adamw.ts";
import { chain } from "../../src/train/chain.ts";
import { clipByGlobalNorm, clipByValue } from "../../src/train/clip.ts";
import { lion } from "../../src/train/lion.ts";
import type { Optimizer } from "../../src/train/optimizer.ts";
import { release, scoped } from "../../src/train/ownership.ts";
import { perGroup } from "../../src/train/per_group.ts";
import { restoreTree } from "../../src/train/restore.ts";
import { sgd } from "../../src/train/sgd.ts";
import { leavesOf, mapNamed, mapTree, type Tree } from "../../src/train/tree.ts";
import { backendTest } from "../support/backends.ts";
import { propertySeed } from "../support/small_tasks.ts";

/** Made anew each time: a restored training shares nothing with the one before. */
const OPTIMIZERS: Readonly<Record<string, () => Optimizer>> = {
  momentum: () => sgd({ momentum: 0.9 }),
  nesterov: () => chain(clipByValue(0.5), sgd({ momentum: 0.9, nesterov: true })),
  adam: () => adam(),
  adamw: () => chain(clipByGlobalNorm(1), adamw({ weightDecay: 0.1 })),
  lion: () => lion({ weightDecay: 0.1 }),
  adafactor: () => adafactor({ weightDecay: 0.1 }),
  "adafactor with momentum": () => adafactor({ momentum: 0.9 }),
  groups: () =>
    perGroup(
      { name: "table", leaves: "table", optimizer: sgd({ momentum: 0.9 }) },
      { name: "weights", leaves: /weight$/g, optimizer: lion(), rateFactor: 0.5 },
      { name: "rest", leaves: "*", optimizer: adafactor({ momentum: 0.5 }) },
    ),
};

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "an optimiser that is restored after any step goes on with the same bits",
    async (device) => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...Object.keys(OPTIMIZERS)),
          fc.nat(4),
          fc.nat(1000),
          async (name, stop, seed) => {
            const whole = await trained(device, OPTIMIZERS[name]!(), seed, 0, 5);
            const half = await trained(device, OPTIMIZERS[name]!(), seed, 0, stop);
            await trained(device, OPTIMIZERS[name]!(), seed + 1, 0, 2); // a decoy
            const resumed = await trained(device, OPTIMIZERS[name]!(), seed, stop, 5, half);
            assert.deepEqual(bitsOf(resumed), bitsOf(whole));
          },
        ),
        { seed: propertySeed(), numRuns: backend === "webgpu" ? 8 : 24 },
      );
    },
  );
}

type Saved = ReadonlyMap<string, HostTensor>;

/** Steps `from` up to `until`, from the initial state or a saved one; gives parameters and state. */
async function trained(
  device: Device,
  optimizer: Optimizer,
  seed: number,
  from: number,
  until: number,
  saved?: Saved,
): Promise<Saved> {
  let state = scoped(() => {
    const params = drawn(seed, "params");
    return { params, optimizer: optimizer.init(params) };
  });
  if (saved !== undefined) {
    const restored = restoreTree<Tree>(state, saved);
    release(state);
    if (E.isLeft(restored)) assert.fail(restored.left);
    state = restored.right as typeof state;
  }
  for (let step = from; step < until; step++) {
    const next = scoped(() => {
      const gradients = drawn(seed, `step ${step}`);
      const context = { step, learningRate: 0.1 / (step + 1) };
      const update = optimizer.update(gradients, state.optimizer, state.params, context);
      const params = mapTree((param, by) => tf.add(param, by!), state.params, update.updates);
      return { params, optimizer: update.state };
    });
    release(state, next);
    state = next;
  }
  const tensors = new Map<string, HostTensor>();
  for (const [path, leaf] of leavesOf(state)) tensors.set(path, await device.read(leaf));
  release(state);
  return tensors;
}

function drawn(seed: number, purpose: string) {
  const shapes = { table: tf.zeros([3, 2]), h: [layer(), layer()], scale: tf.zeros([]) };
  return mapNamed((path, { shape, size }) => {
    return tf.tensor(normal(foldIn(foldIn(key(seed), purpose), path), size), shape);
  }, shapes);
}

function layer() {
  return { weight: tf.zeros([2, 3, 2]), bias: tf.zeros([3]) };
}

function bitsOf(saved: Saved): unknown {
  return [...saved].map(([path, tensor]) => [path, [...bytesOf(tensor)]]);
}
