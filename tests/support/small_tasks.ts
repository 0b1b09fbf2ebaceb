import fc from "fast-check";
import {
  arraySource,
  type BatchSource,
  byteTokenSource,
  crossEntropy,
  defineTask,
  dense,
  type Device,
  dropout,
  embedding,
  foldIn,
  type HostTensor,
  key,
  layerNorm,
  type LeafPattern,
  leavesOf,
  mapTree,
  normal,
  type Optimizer,
  type OptimizerName,
  type Precision,
  type RngKey,
  type RunConfig,
  type ScheduleName,
  sgd,
  type Task,
  type TokenBatch,
  type Tree,
  uniform,
  type UpdateContext,
} from "foldlog";
import * as tf from "foldlog/tf";

/**
 * A small task as plain data, so that a failing property can print it and a test can build the task
 * again and again, each time without a trace of the last: as a new process would.
 */
export interface SmallTask {
  readonly model: "line" | "mlp" | "tokens";
  /** Width of the hidden layer, or of the embedding. */
  readonly width: number;
  readonly samples: number;
  /** Held-out samples; without any the task has no evaluation. */
  readonly heldOut: number;
  readonly dropout: number;
  /** Whether it has an optimiser of its own, whose state shares tensors with the parameters. */
  readonly anchored: boolean;
  /** Whether a part of its parameters is frozen. */
  readonly frozen: boolean;
  /** Whether its evaluations make samples. */
  readonly sampled: boolean;
  readonly config: Omit<RunConfig, "model">;
}

/** Bounds of `smallTasks`; what is left out has the widest. */
export interface SmallTaskLimits {
  readonly models?: readonly SmallTask["model"][];
  readonly maxSteps?: number;
  readonly maxMicroBatches?: number;
}

/**
 * Tasks of 3 to a few hundred parameters, whose epochs end often and not where a step does.
 *
 * A step may take several micro-batches, and a batch may be larger than the data.
 */
export function smallTasks(limits: SmallTaskLimits = {}): fc.Arbitrary<SmallTask> {
  const { models = ["line", "mlp", "tokens"], maxSteps = 25, maxMicroBatches = 3 } = limits;
  return fc.record({
    model: fc.constantFrom(...models),
    width: fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: 1, max: 6 }) },
      { weight: 1, arbitrary: fc.constant(40) },
    ),
    samples: fc.integer({ min: 3, max: 23 }),
    heldOut: fc.constantFrom(0, 2, 5, 9),
    dropout: fc.constantFrom(0, 0.25, 0.5),
    anchored: mostly(false, true),
    frozen: mostly(false, true),
    sampled: fc.boolean(),
    config: fc.record({
      seed: fc.oneof(fc.nat(100), fc.maxSafeNat()),
      steps: fc.record({ max: stepCounts(maxSteps) }),
      batch: fc.tuple(
        fc.constantFrom([1, 0], [2, 0], [2, 1], [3, 0], [3, 1], [4, 0], [4, 2]),
        fc.integer({ min: 1, max: maxMicroBatches }),
      ).map(([[micro, grain], parts]) => ({ size: micro! * parts, micro: micro!, grain: grain! })),
      optimizer: fc.record({
        name: fc.constantFrom<OptimizerName>("sgd", "adam", "adamw", "lion", "adafactor"),
        learningRate: fc.oneof(
          { weight: 9, arbitrary: fc.constantFrom(1e-3, 0.02, 0.3) },
          { weight: 1, arbitrary: fc.constant(1e18) }, // soon infinite, and NaN
        ),
        weightDecay: fc.constantFrom(0, 0.1),
        momentum: fc.constantFrom(0, 0.9),
        nesterov: fc.boolean(),
        beta1: fc.constant(0.9),
        beta2: fc.constantFrom(0.99, 0.999),
        epsilon: fc.constant(1e-8),
      }),
      schedule: fc.record({
        name: fc.constantFrom<ScheduleName>("constant", "cosine", "step", "warmupStableDecay"),
        warmupSteps: fc.nat(4),
        factor: fc.constantFrom(0, 0.1, 0.5, 1),
        every: fc.integer({ min: 1, max: 6 }),
        steps: fc.constantFrom(0, 3),
      }),
      clip: fc.record({
        norm: fc.constantFrom(0, 0.1, 10),
        value: fc.constantFrom(0, 0.05),
      }),
      data: fc.record({ shuffle: fc.boolean() }),
      save: fc.record({
        every: fc.nat(7),
        maxReplaySeconds: fc.constant(0), // by time: tests/unit/save_by_time_test.ts
        maxOverhead: fc.constant(0.02),
        best: fc.boolean(),
      }),
      evaluate: fc.record({
        every: fc.nat(5),
        batches: fc.nat(3),
        patience: mostly(0, 1),
      }),
      ema: fc.record({ decay: fc.constantFrom(0, 0, 0.9) }),
      fingerprint: fc.record({ every: fc.nat(3) }),
      precision: mostly<Precision>("float32", "mixed_float16"),
      lossScale: fc.record({
        initial: fc.constantFrom(1, 1024, 2 ** 24), // the last is soon too much
        growthInterval: fc.integer({ min: 1, max: 4 }),
      }),
    }),
  });
}

/** What is trained where something is frozen: in the middle, at the end, or at the beginning and the end. */
const TRAINABLE: Readonly<Record<SmallTask["model"], LeafPattern | readonly LeafPattern[]>> = {
  line: "slope",
  mlp: /^layers\.1\./g,
  tokens: ["table", "head.*"],
};

/** The task that a description describes. Two of them share nothing. */
export function taskOf(small: SmallTask): Task {
  const { model, config, anchored, frozen, sampled } = small;
  const common = {
    name: model,
    config: { ...config, model: { width: small.width } },
    ...(anchored && { optimizer: anchoredSgd() }),
    ...(frozen && { trainable: TRAINABLE[model] }),
    ...(sampled && { artifacts: filesOf }),
  };
  switch (model) {
    case "line":
      return { ...lineTask(small), ...common };
    case "mlp":
      return { ...mlpTask(small), ...common };
    case "tokens":
      return { ...tokensTask(small), ...common };
  }
}

/** A file of each parameter: its bytes. */
async function filesOf(params: Tree, _key: RngKey, device: Device, step: number) {
  const files: { readonly name: string; readonly bytes: Uint8Array }[] = [];
  for (const [path, leaf] of leavesOf(params)) {
    const { data } = await device.read(leaf);
    files.push({ name: `step_${step}_${path}.bin`, bytes: new Uint8Array(data.slice().buffer) });
  }
  return files;
}

/**
 * The seed of this process's properties: FOLDLOG_SEED, so that a run of the tests can be repeated, or
 * a new one. Printed at once: a run that hangs can be repeated too.
 */
export function propertySeed(): number {
  return seed;
}

const seed = Number(Deno.env.get("FOLDLOG_SEED") ?? crypto.getRandomValues(new Int32Array(1))[0]);
console.log(`FOLDLOG_SEED=${seed}`);

type PointBatch = { readonly x: HostTensor; readonly y: HostTensor };

function lineTask({ samples, heldOut, dropout: rate }: SmallTask): Task {
  return defineTask({
    name: "line",
    data: points("train", samples),
    init: (key): Line => ({ bias: tf.zeros([1]), slope: tf.tensor(normal(key, 2), [2]) }),
    loss: (line, { x, y }, key) => meanSquare(onLine(line, dropout(x, rate, key)), y),
    ...(heldOut > 0 && {
      evaluation: {
        data: points("held out", heldOut),
        loss: (line: Line, { x, y }: Tensors<PointBatch>) => meanSquare(onLine(line, x), y),
      },
    }),
  });
}

function onLine({ slope, bias }: Line, x: tf.Tensor): tf.Tensor {
  return tf.add(tf.sum(tf.mul(x, slope), 1, true), bias);
}

function mlpTask({ samples, heldOut, width, dropout: rate }: SmallTask): Task {
  return defineTask({
    name: "mlp",
    data: points("train", samples),
    init: (key): Mlp => ({
      layers: [layer(foldIn(key, 0), 2, width), layer(foldIn(key, 1), width, 1)],
    }),
    loss: (mlp, { x, y }, key) => meanSquare(outputOf(mlp, x, rate, key), y),
    ...(heldOut > 0 && {
      evaluation: {
        data: points("held out", heldOut),
        loss: (mlp: Mlp, { x, y }: Tensors<PointBatch>) =>
          meanSquare(outputOf(mlp, x, 0, key(0)), y),
      },
    }),
  });
}

function outputOf(mlp: Mlp, x: tf.Tensor, rate: number, key: RngKey): tf.Tensor {
  const [first, second] = mlp.layers;
  const hidden = tf.tanh(dense(x as tf.Tensor2D, first.weight, first.bias));
  return dense(dropout(hidden, rate, key), second.weight, second.bias);
}

const VOCABULARY = 5;
const CONTEXT = 3;

function tokensTask({ samples, heldOut, width, dropout: rate }: SmallTask): Task {
  return defineTask({
    name: "tokens",
    data: text("train", samples),
    init: (key): Tokens => ({
      table: tf.tensor2d(normal(foldIn(key, "table"), VOCABULARY * width), [VOCABULARY, width]),
      norm: { weight: tf.ones([width]), bias: tf.zeros([width]) },
      head: layer(foldIn(key, "head"), width, VOCABULARY),
    }),
    loss: (params, batch, key) => surprise(params, batch, rate, key),
    ...(heldOut > 0 && {
      evaluation: {
        data: text("held out", heldOut),
        loss: (params: Tokens, batch: Tensors<TokenBatch>) => surprise(params, batch, 0, key(0)),
      },
    }),
  });
}

function surprise(
  { table, norm, head }: Tokens,
  { tokens, targets }: Tensors<TokenBatch>,
  rate: number,
  key: RngKey,
): tf.Scalar {
  const embedded = embedding(table, tf.reshape(tokens, [-1]) as tf.Tensor1D);
  const hidden = dropout(layerNorm(embedded, norm.weight, norm.bias), rate, key);
  const logits = dense(hidden, head.weight, head.bias);
  return crossEntropy(logits, tf.reshape(targets, [-1]) as tf.Tensor1D);
}

type Tensors<Batch> = { readonly [Name in keyof Batch]: tf.Tensor };
type Line = { readonly bias: tf.Tensor; readonly slope: tf.Tensor };
type Layer = { readonly weight: tf.Tensor2D; readonly bias: tf.Tensor1D };
type Mlp = { readonly layers: readonly [Layer, Layer] };
type Tokens = { readonly table: tf.Tensor2D; readonly norm: Norm; readonly head: Layer };
type Norm = { readonly weight: tf.Tensor1D; readonly bias: tf.Tensor1D };

function layer(key: RngKey, inputs: number, outputs: number): Layer {
  const scale = 1 / Math.sqrt(inputs);
  const weight = normal(key, inputs * outputs).map((value) => value * scale);
  return { weight: tf.tensor2d(weight, [inputs, outputs]), bias: tf.zeros([outputs]) };
}

function points(name: string, samples: number): BatchSource<PointBatch> {
  const x = normal(foldIn(key(1), name), samples * 2);
  const y = normal(foldIn(key(2), name), samples);
  return arraySource(name, {
    x: { dtype: "float32", shape: [samples, 2], data: x },
    y: { dtype: "float32", shape: [samples, 1], data: y },
  });
}

function text(name: string, samples: number): BatchSource<TokenBatch> {
  const numbers = uniform(foldIn(key(3), name), samples * CONTEXT + 1);
  const bytes = Uint8Array.from(numbers, (number) => Math.floor(number * VOCABULARY));
  return byteTokenSource(name, bytes, CONTEXT);
}

function meanSquare(predicted: tf.Tensor, y: tf.Tensor): tf.Scalar {
  return tf.mean(tf.square(tf.sub(predicted, y)));
}

/**
 * Gradient descent that is pulled back to where it began. The anchor never changes, so one tensor is
 * in many states, and in the first of them it is a parameter as well: a loop that frees too much
 * frees it.
 */
function anchoredSgd(): Optimizer {
  const descent = sgd();
  return {
    init: (params) => params,
    update<P extends Tree>(gradients: P, anchor: Tree, params: P, context: UpdateContext) {
      const pulled = mapTree(
        (gradient, param, origin) => tf.add(gradient, tf.mul(tf.sub(param, origin), 0.05)),
        gradients,
        params,
        anchor,
      );
      const { updates } = descent.update(pulled, descent.init(params), params, context);
      return { updates, state: anchor };
    },
  };
}

/** Short plans are as good at finding faults as long ones, and quicker. */
function stepCounts(max: number): fc.Arbitrary<number> {
  const short = fc.integer({ min: 1, max: Math.min(max, 8) });
  if (max <= 8) return short;
  return fc.oneof(
    { weight: 3, arbitrary: short },
    { weight: 1, arbitrary: fc.integer({ min: 9, max }) },
  );
}

function mostly<A>(usual: A, other: A): fc.Arbitrary<A> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constant(other) },
  );
}
