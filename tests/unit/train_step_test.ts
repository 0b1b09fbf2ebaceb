import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { bytesOf, type HostTensor } from "../../src/core/host_tensor.ts";
import { foldIn, key, type RngKey } from "../../src/core/rng_key.ts";
import type { Device } from "../../src/ports/device.ts";
import { adamw } from "../../src/train/adamw.ts";
import { chain } from "../../src/train/chain.ts";
import { clipByGlobalNorm } from "../../src/train/clip.ts";
import { dropout } from "../../src/train/kernels/dropout.ts";
import { dense } from "../../src/train/kernels/product.ts";
import { withGradient } from "../../src/train/kernels/with_gradient.ts";
import type { HostBatch, Loss } from "../../src/train/loss.ts";
import type { Optimizer, UpdateContext } from "../../src/train/optimizer.ts";
import { release } from "../../src/train/ownership.ts";
import { sgd } from "../../src/train/sgd.ts";
import { initialTrainState, tensorsOf, type TrainState } from "../../src/train/train_state.ts";
import { type Training, trainStep } from "../../src/train/train_step.ts";
import { leavesOf, type Tree } from "../../src/train/tree.ts";
import { backendTest } from "../support/backends.ts";

type Line = { readonly weight: tf.Tensor2D; readonly bias: tf.Tensor1D };

const X = [[1, 2, -1], [0.5, -1, 3], [-2, 0.25, 1], [4, 1, 0]];
const Y = [1, -2, 0.5, 3];
const WEIGHT = [0.1, -0.2, 0.3];
const BIAS = 0.05;

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "trainStep() twice from one state gives the same bits twice",
    async (device) => {
      const training = trainingOf({ loss: lineLoss(0.5), optimizer: adamw({ weightDecay: 0.1 }) });
      const state = stateOf(training);
      for (const size of [4, 2, 1]) {
        const results = [1, 2].map(() => trainStep(training, state, microBatches(size)));
        const [first, second] = await Promise.all(results.map((result) => bitsOf(device, result)));
        assert.deepEqual(first, second);
        for (const { state, metrics } of results) release([tensorsOf(state), metrics.values]);
      }
      release(tensorsOf(state));
    },
  );

  backendTest(backend, "trainStep() computes what arithmetic says", async (device) => {
    const rate = 0.01;
    const training = trainingOf({ schedule: () => rate });
    const state = stateOf(training);
    const { state: next, metrics } = trainStep(training, state, microBatches(4));
    const { loss, gradient, norm } = lineInFloat64();
    const [actualLoss, actualNorm] = (await device.read(metrics.values)).data;
    assertClose(actualLoss!, loss);
    assertClose(actualNorm!, norm);
    const { data: weight } = await device.read(next.params.weight);
    WEIGHT.forEach((before, i) => assertClose(weight[i]!, before - rate * gradient[i]!));
    const [bias] = (await device.read(next.params.bias)).data;
    assertClose(bias!, BIAS - rate * gradient[3]!);
    release([tensorsOf(state), tensorsOf(next), metrics.values]);
  });

  backendTest(
    backend,
    "trainStep() agrees on 1 x 4, 2 x 2 and 4 x 1 micro-batches",
    async (device) => {
      const training = trainingOf({ optimizer: adamw() });
      const results: (readonly number[])[] = [];
      for (const size of [4, 2, 1]) {
        const state = stateOf(training);
        const { state: next, metrics } = trainStep(training, state, microBatches(size));
        const tensors = [metrics.values, next.params.weight, next.params.bias];
        const read = await Promise.all(tensors.map((tensor) => device.read(tensor)));
        results.push(read.flatMap(({ data }) => [...data]));
        release([tensorsOf(state), tensorsOf(next), metrics.values]);
      }
      const [whole, ...parts] = results;
      for (const part of parts) {
        part.forEach((value, index) => assertClose(value, whole![index]!));
      }
    },
  );
}

backendTest(
  "cpu",
  "trainStep() borrows its state: nothing of it is freed or changed",
  async (device) => {
    const training = trainingOf({ optimizer: adamw({ weightDecay: 0.1 }) });
    const state = stateOf(training);
    const before = await treeBits(device, tensorsOf(state));
    const { state: next, metrics } = trainStep(training, state, microBatches(2));
    for (const [path, leaf] of leavesOf(tensorsOf(state))) assert.ok(!leaf.isDisposed, path);
    assert.deepEqual(await treeBits(device, tensorsOf(state)), before);
    assert.equal(state.step, 0);
    release([tensorsOf(state), tensorsOf(next), metrics.values]);
  },
);

backendTest("cpu", "trainStep() leaves its result and nothing else", () => {
  const training = trainingOf({ loss: lineLoss(0.5), optimizer: adamw() });
  const state = stateOf(training);
  for (const size of [4, 1]) {
    const before = tf.memory().numTensors;
    const { state: next, metrics } = trainStep(training, state, microBatches(size));
    assert.equal(tf.memory().numTensors - before, 6 + 1); // parameters, two moments of each; metrics
    release([tensorsOf(next), metrics.values]);
    assert.equal(tf.memory().numTensors, before);
  }
  release(tensorsOf(state));
});

backendTest(
  "cpu",
  "trainStep() counts one step and takes the schedule's rate at the step before",
  () => {
    const seen: UpdateContext[] = [];
    const optimizer = watched((context) => seen.push(context));
    const training = trainingOf({ optimizer, schedule: (step) => step / 10 });
    let state: TrainState<Line> = { ...stateOf(training), step: 7 };
    for (const step of [7, 8]) {
      const { state: next, metrics } = trainStep(training, state, microBatches(1));
      assert.equal(next.step, step + 1);
      assert.equal(metrics.learningRate, step / 10);
      release([tensorsOf(state), metrics.values]);
      state = next;
    }
    release(tensorsOf(state));
    assert.deepEqual(seen, [{ step: 7, learningRate: 0.7 }, { step: 8, learningRate: 0.8 }]);
  },
);

backendTest("cpu", "trainStep() gives each micro-batch of each step a key of its own", () => {
  const keys: RngKey[] = [];
  const loss: Loss<Line> = (params, batch, key) => {
    keys.push(key);
    return lineLoss(0)(params, batch, key);
  };
  const training = trainingOf({ loss });
  for (const step of [0, 5]) {
    const state = { ...stateOf(training), step };
    const { state: next, metrics } = trainStep(training, state, microBatches(2));
    release([tensorsOf(state), tensorsOf(next), metrics.values]);
  }
  const expected = [[0, 0], [0, 1], [5, 0], [5, 1]].map(([step, micro]) =>
    foldIn(foldIn(training.key, step!), micro!)
  );
  assert.deepEqual(keys, expected);
  assert.equal(new Set(keys.map(({ hi, lo }) => `${hi} ${lo}`)).size, 4);
});

backendTest(
  "cpu",
  "trainStep() measures the norm before clipping, and updates after it",
  async (device) => {
    const { gradient, norm } = lineInFloat64();
    const training = trainingOf({
      optimizer: chain(clipByGlobalNorm(norm / 10), sgd()) as Optimizer,
      schedule: () => 1,
    });
    for (const size of [4, 2]) {
      const state = stateOf(training);
      const { state: next, metrics } = trainStep(training, state, microBatches(size));
      assertClose((await device.read(metrics.values)).data[1]!, norm);
      const { data } = await device.read(next.params.weight);
      WEIGHT.forEach((before, i) => assertClose(data[i]!, before - gradient[i]! / 10));
      release([tensorsOf(state), tensorsOf(next), metrics.values]);
    }
  },
);

backendTest("cpu", "trainStep() adds micro-batches in their order", async (device) => {
  const training: Training<{ readonly p: tf.Scalar }> = {
    loss: ({ p }, { x }) => tf.mul(p, tf.sum(x!)) as tf.Scalar,
    optimizer: sgd(),
    schedule: () => 1,
    key: key(1),
  };
  const stepped = async (values: readonly number[]) => {
    const state = { step: 0, params: { p: tf.scalar(0) }, optimizer: {} };
    const batches = values.map((value) => ({ x: float([1], [value]) }));
    const { state: next, metrics } = trainStep(training, state, batches);
    const [p] = (await device.read(next.params.p)).data;
    release([tensorsOf(state), tensorsOf(next), metrics.values]);
    return p;
  };
  // In float32, 1e8 + 1 is 1e8.
  assert.equal(await stepped([1e8, 1, -1e8]), 0);
  assert.equal(await stepped([1e8, -1e8, 1]), -Math.fround(1 / 3));
  assert.equal(await stepped([1e8, -1e8, 1, 1]), -0.5);
});

backendTest(
  "cpu",
  "trainStep() gives the loss its batch's tensors, types and shapes as they are",
  () => {
    let seen: unknown;
    const training: Training<{ readonly p: tf.Scalar }> = {
      loss: ({ p }, batch) => {
        seen = Object.fromEntries(
          Object.entries(batch).map(([name, { dtype, shape }]) => [name, [dtype, shape]]),
        );
        assert.deepEqual([...batch["ids"]!.dataSync()], [2 ** 24 + 1, -1]);
        return tf.square(p);
      },
      optimizer: sgd(),
      schedule: () => 1,
      key: key(1),
    };
    const state = { step: 0, params: { p: tf.scalar(1) }, optimizer: {} };
    const ids: HostTensor = { dtype: "int32", shape: [2, 1], data: Int32Array.of(2 ** 24 + 1, -1) };
    const result = trainStep(training, state, [{ ids, x: float([], [1]) }]);
    assert.deepEqual(seen, { ids: ["int32", [2, 1]], x: ["float32", []] });
    release([tensorsOf(state), tensorsOf(result.state), result.metrics.values]);
  },
);

backendTest(
  "cpu",
  "trainStep() may share leaves of the state's optimiser, and frees none of them",
  () => {
    const anchored: Optimizer = {
      init: (params) => params,
      update: (gradients, state) => ({ updates: gradients, state }),
    };
    const training = trainingOf({ optimizer: anchored });
    const state = stateOf(training);
    assert.equal((state.optimizer as Line).weight, state.params.weight);
    const { state: next, metrics } = trainStep(training, state, microBatches(4));
    assert.equal((next.optimizer as Line).weight, state.params.weight);
    release(tensorsOf(state), tensorsOf(next));
    assert.equal(state.params.weight.isDisposed, false);
    release([tensorsOf(next), metrics.values]);
  },
);

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "trainStep() trains a part with the bits it has where all is trained, and keeps the rest",
    async (device) => {
      const optimizer = sgd({ momentum: 0.9 });
      const training = trainingOf({ optimizer, loss: lineLoss(0.5), emaDecay: 0.5 });
      const all = initialTrainState(initLine, optimizer, { averaged: true });
      for (const size of [4, 2]) {
        for (const trained of ["weight", "bias"] as const) {
          const frozen = trained === "bias" ? "weight" : "bias";
          const options = { averaged: true, trainable: trained };
          const part = initialTrainState(initLine, optimizer, options);
          const [a, b] = [all, part].map((state) => trainStep(training, state, microBatches(size)));
          for (const kind of ["params", "ema"] as const) {
            const [of, against] = [b!.state[kind]!, a!.state[kind]!];
            assert.equal(of[frozen], part.params[frozen], "the very same tensor");
            assert.deepEqual(
              await treeBits(device, of[trained]),
              await treeBits(device, against[trained]),
            );
          }
          assert.deepEqual(leavesOf(b!.state.optimizer).map(([path]) => path), [`0.${trained}`]);
          assert.deepEqual(b!.state.frozen, new Set([frozen]));
          release([tensorsOf(a!.state), a!.metrics.values, b!.metrics.values]);
          release(tensorsOf(part), tensorsOf(b!.state));
          release(tensorsOf(b!.state));
        }
      }
      release(tensorsOf(all));
    },
  );
}

backendTest(
  "cpu",
  "trainStep() computes no gradient of what is frozen, and the norm of the others",
  async (device) => {
    const computed: string[] = [];
    const watching = (param: tf.Tensor, name: string) =>
      withGradient([param], ([x]) => ({ value: tf.clone(x!), saved: [] }), (dy) => {
        computed.push(name);
        return [dy];
      });
    const loss: Loss<Line> = ({ weight, bias }, batch, key) =>
      lineLoss(0)(
        {
          weight: watching(weight, "weight") as tf.Tensor2D,
          bias: watching(bias, "bias") as tf.Tensor1D,
        },
        batch,
        key,
      );
    const { gradient } = lineInFloat64();
    const norms = { weight: Math.hypot(...gradient.slice(0, 3)), bias: Math.abs(gradient[3]!) };
    const training = trainingOf({ loss });
    for (const trainable of ["weight", "bias"] as const) {
      const state = initialTrainState(initLine, training.optimizer, { trainable });
      const { state: next, metrics } = trainStep(training, state, microBatches(4));
      assert.deepEqual(computed.splice(0), [trainable]);
      assertClose((await device.read(metrics.values)).data[1]!, norms[trainable]);
      release([tensorsOf(next), metrics.values]);
      release(tensorsOf(state));
    }
  },
);

backendTest(
  "cpu",
  "trainStep() keeps what is frozen in mixed precision too, where it steps and where it skips",
  () => {
    const lossScale = { initial: 1, growthInterval: 100 };
    const loss: Loss<Line> = (params, batch, key) =>
      tf.mul(lineLoss(0)(params, batch, key), batch["factor"]!);
    const training = trainingOf({ loss, precision: "mixed_float16", lossScale, emaDecay: 0.5 });
    for (const factor of [1, Infinity]) {
      const options = { averaged: true, lossScale, trainable: "weight" };
      const state = initialTrainState(initLine, training.optimizer, options);
      const grain = { ...microBatches(4)[0]!, factor: float([], [factor]) };
      const { state: next, metrics } = trainStep(training, state, [grain]);
      for (const { bias } of [next.params, next.ema!]) assert.equal(bias, state.params.bias);
      const same = next.params.weight.dataSync().every((value, i) =>
        value === Math.fround(WEIGHT[i]!)
      );
      assert.equal(same, factor === Infinity);
      assert.deepEqual(next.frozen, new Set(["bias"]));
      release(metrics.values);
      release(tensorsOf(state), tensorsOf(next));
      release(tensorsOf(next));
    }
  },
);

backendTest("cpu", "trainStep() lets a parameter that is frozen be of no use to the loss", () => {
  const loss: Loss<Line> = ({ bias }) => tf.sum(bias);
  const training = trainingOf({ loss });
  const state = initialTrainState(initLine, training.optimizer, { trainable: "bias" });
  const { state: next, metrics } = trainStep(training, state, [{}]);
  release([tensorsOf(next), metrics.values]);
  release(tensorsOf(state));
});

backendTest("cpu", "trainStep() refuses a step of no micro-batches", () => {
  const training = trainingOf({});
  const state = stateOf(training);
  assert.throws(
    () => trainStep(training, state, []),
    new RangeError("Expected at least one grain, found none"),
  );
  release(tensorsOf(state));
});

backendTest(
  "cpu",
  "trainStep() refuses a parameter that the loss does not use, and leaves nothing",
  () => {
    const training: Training<Tree> = {
      loss: (params) => tf.square((params as { readonly used: tf.Scalar }).used),
      optimizer: adamw(),
      schedule: () => 1,
      key: key(1),
    };
    const init = () => ({ used: tf.scalar(1), unused: tf.scalar(2) });
    const state = initialTrainState<Tree>(init, training.optimizer);
    const before = tf.memory().numTensors;
    // A gradient of zero would hide a model that forgot a layer.
    assert.throws(() => trainStep(training, state, [{}]), /"unused" is not used/);
    assert.throws(() => trainStep(training, state, [{}, {}]), /"unused" is not used/);
    assert.equal(tf.memory().numTensors, before);
    release(tensorsOf(state));
  },
);

backendTest(
  "cpu",
  "trainStep() leaves nothing behind where the loss or the optimiser throws",
  () => {
    const error = new Error("no");
    const throwing = () => {
      throw error;
    };
    let calls = 0;
    const second: Loss<Line> = (...given) => ++calls === 2 ? throwing() : lineLoss(0)(...given);
    for (
      const changes of [{ loss: throwing }, { loss: second }, { optimizer: watched(throwing) }]
    ) {
      const training = trainingOf(changes);
      const state = stateOf(training);
      const before = tf.memory().numTensors;
      assert.throws(() => trainStep(training, state, microBatches(2)), error);
      assert.equal(tf.memory().numTensors, before);
      release(tensorsOf(state));
    }
  },
);

backendTest(
  "cpu",
  "initialTrainState() is at step 0 and owns its parameters and moments alone",
  () => {
    const before = tf.memory().numTensors;
    const state = initialTrainState(() => {
      tf.add(tf.scalar(1), 1); // made on the way
      return initLine();
    }, adamw());
    assert.equal(state.step, 0);
    assert.equal(tf.memory().numTensors - before, 6);
    assert.deepEqual(
      leavesOf(tensorsOf(state)).map(([path]) => path),
      [
        ...["model.bias", "model.weight"],
        ...["optimizer.mu.bias", "optimizer.mu.weight"],
        ...["optimizer.nu.bias", "optimizer.nu.weight"],
      ],
    );
    release(tensorsOf(state));
  },
);

function trainingOf(changes: Partial<Training<Line>>): Training<Line> {
  return {
    loss: lineLoss(0),
    optimizer: sgd(),
    schedule: () => 0.1,
    key: foldIn(key(42), "train"),
    ...changes,
  };
}

function stateOf(training: Training<Line>): TrainState<Line> {
  return initialTrainState(initLine, training.optimizer);
}

function initLine(): Line {
  return { weight: tf.tensor2d(WEIGHT, [3, 1]), bias: tf.tensor1d([BIAS]) };
}

/** Mean square error of a line, with dropout of its inputs. */
function lineLoss(rate: number): Loss<Line> {
  return ({ weight, bias }, { x, y }, key) => {
    const predicted = dense(dropout(x as tf.Tensor2D, rate, key), weight, bias);
    return tf.mean(tf.square(tf.sub(predicted, y!)));
  };
}

/** The loss, its gradient (weights, then bias) and the gradient's norm at the initial parameters. */
function lineInFloat64() {
  const errors = X.map((x, row) =>
    x.reduce((sum, value, i) => sum + value * WEIGHT[i]!, BIAS) - Y[row]!
  );
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value) / 4;
  const gradient = [0, 1, 2, 3].map((i) =>
    mean(errors.map((error, row) => 2 * error * (X[row]![i] ?? 1)))
  );
  const loss = mean(errors.map((error) => error * error));
  return { loss, gradient, norm: Math.hypot(...gradient) };
}

/** The four samples in parts of `size`. */
function microBatches(size: number): readonly HostBatch[] {
  return Array.from({ length: 4 / size }, (_, part) => ({
    x: float([size, 3], X.slice(part * size, (part + 1) * size).flat()),
    y: float([size, 1], Y.slice(part * size, (part + 1) * size)),
  }));
}

/** Gradient descent that tells what context it was given. */
function watched(see: (context: UpdateContext) => void): Optimizer {
  const descent = sgd();
  return {
    init: (params) => descent.init(params),
    update(gradients, state, params, context) {
      see(context);
      return descent.update(gradients, state, params, context);
    },
  };
}

async function bitsOf(
  device: Device,
  { state, metrics }: ReturnType<typeof trainStep>,
): Promise<unknown> {
  return await treeBits(device, [tensorsOf(state), metrics.values]);
}

async function treeBits(device: Device, tree: Tree): Promise<unknown> {
  const bits: unknown[] = [];
  for (const [path, leaf] of leavesOf(tree)) {
    bits.push([path, [...bytesOf(await device.read(leaf))]]);
  }
  return bits;
}

function float(shape: readonly number[], values: readonly number[]): HostTensor {
  return { dtype: "float32", shape, data: Float32Array.from(values) };
}

/** Within 1e-6 of its size, and of 1. */
function assertClose(actual: number, expected: number): void {
  const allowed = 1e-6 * Math.max(1, Math.abs(expected));
  assert.ok(Math.abs(actual - expected) <= allowed, `${actual}, not ${expected}`);
}
