import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { bytesOf } from "../../src/core/host_tensor.ts";
import { bits, foldIn, key, normal } from "../../src/core/rng_key.ts";
import { fullAttention } from "../../src/model/full_attention.ts";
import { languageModelLoss } from "../../src/model/language_model.ts";
import { initTransformer } from "../../src/model/transformer.ts";
import type { Device } from "../../src/ports/device.ts";
import { causalAttention } from "../../src/train/kernels/attention.ts";
import { convolution } from "../../src/train/kernels/convolution.ts";
import { dense, product, type Sides } from "../../src/train/kernels/product.ts";
import { stateless } from "../../src/train/optimizer.ts";
import { release, scoped } from "../../src/train/ownership.ts";
import type { Precision } from "../../src/core/config.ts";
import { currentPrecision, withPrecision } from "../../src/train/precision.ts";
import { sgd } from "../../src/train/sgd.ts";
import { initialTrainState, tensorsOf } from "../../src/train/train_state.ts";
import { type Training, trainStep } from "../../src/train/train_step.ts";
import { leavesOf } from "../../src/train/tree.ts";
import { backendTest } from "../support/backends.ts";

type Values = readonly number[];

/** A function of tensors, and the shapes that it takes. */
interface Case {
  readonly name: string;
  readonly shapes: readonly (readonly number[])[];
  readonly f: (...inputs: tf.Tensor[]) => tf.Tensor;
}

const ATTENTION = { batch: 2, context: 5, heads: 2 };
const SIDES: readonly Sides[] = [false, true].flatMap((transposeA) =>
  [false, true].map((transposeB) => ({ transposeA, transposeB }))
);

/** What rounds its inputs and the gradient that comes in, and nothing between. */
const ROUNDED: readonly Case[] = [
  ...SIDES.map((sides): Case => ({
    name: `product() of sides transposed ${sides.transposeA} and ${sides.transposeB}`,
    shapes: [sides.transposeA ? [40, 7] : [7, 40], sides.transposeB ? [9, 40] : [40, 9]],
    f: (a, b) => product(a!, b!, sides),
  })),
  { name: "product() of batches", shapes: [[3, 4, 8], [3, 8, 4]], f: (a, b) => product(a!, b!) },
  {
    name: "dense()",
    shapes: [[7, 40], [40, 9]],
    f: (x, weight) => dense(x as tf.Tensor2D, weight as tf.Tensor2D, tf.zeros([9])),
  },
  ...[[3, 2], [1, 1]].map(([size, stride]): Case => ({
    name: `convolution() of a kernel of ${size} at stride ${stride}`,
    shapes: [[2, 5, 4, 3], [size!, size!, 3, 6]],
    f: (x, kernel) =>
      convolution(x as tf.Tensor4D, kernel as tf.Tensor4D, tf.zeros([6]), { stride: stride! }),
  })),
  {
    name: "causalAttention()",
    shapes: [[10, 24]],
    f: (qkv) => causalAttention(qkv as tf.Tensor2D, ATTENTION, (weights) => tf.mul(weights, 0.7)),
  },
  {
    name: "fullAttention()",
    shapes: [[10, 24]],
    f: (qkv) => fullAttention(qkv as tf.Tensor2D, ATTENTION, (weights) => tf.mul(weights, 0.7)),
  },
];

for (const backend of BACKENDS) {
  for (const { name, shapes, f } of ROUNDED) {
    const claim = `${name} in mixed precision is itself in float32 of what is rounded`;
    backendTest(backend, claim, async (device) => {
      const inputs = drawn(shapes);
      const [output] = drawn([scoped(() => f(...tensors(shapes, inputs)).shape)], 9);
      const mixed = await run(device, shapes, inputs, output!, mixedOf(f));
      const rounded = [...inputs, output!].map((values) => values.map(Math.f16round));
      const expected = await run(device, shapes, rounded.slice(0, -1), rounded.at(-1)!, f);
      assert.deepEqual(mixed.bytes, expected.bytes);
      const exact = await run(device, shapes, inputs, output!, f);
      exact.bytes.forEach((bytes, at) => assert.notDeepEqual(bytes, mixed.bytes[at]));
    });
  }

  backendTest(
    backend,
    "dense() in mixed precision has the value and gradients of rounded operands in float64",
    async (device) => {
      const shapes = [[7, 40], [40, 9], [9]];
      const [x, w, b] = drawn(shapes) as [Values, Values, Values];
      const [dy] = drawn([[7, 9]], 9) as [Values];
      const [hx, hw, hdy] = [x, w, dy].map((values) => values.map(Math.f16round));
      const value = sums(7, 9, 40, (i, j, k) => hx![i * 40 + k]! * hw![k * 9 + j]!)
        .map((sum, at) => sum + b[at % 9]!);
      const expected = [
        value,
        sums(7, 40, 9, (i, j, k) => hdy![i * 9 + k]! * hw![j * 9 + k]!),
        sums(40, 9, 7, (i, j, k) => hx![k * 40 + i]! * hdy![k * 9 + j]!),
        sums(1, 9, 7, (_, j, k) => dy[k * 9 + j]!), // not rounded
      ];
      const mixedDense = mixedOf(dense as Case["f"]);
      const found = await run(device, shapes, [x, w, b], dy, mixedDense);
      expected.forEach((values, at) => assertNear(found.values[at]!, values, 1e-6));
      const again = await run(device, shapes, [x, w, b], dy, mixedDense);
      assert.deepEqual(again.bytes, found.bytes);
    },
  );

  for (const [size, stride] of [[3, 2], [1, 1]] as const) {
    backendTest(
      backend,
      `convolution() of a kernel of ${size} has a bias gradient of what came in, not rounded`,
      async (device) => {
        const shapes = [[2, 5, 4, 3], [size, size, 3, 6], [6]];
        const f: Case["f"] = (x, kernel, bias) =>
          convolution(x as tf.Tensor4D, kernel as tf.Tensor4D, bias as tf.Tensor1D, { stride });
        const inputs = drawn(shapes);
        const [dy] = drawn([scoped(() => f(...tensors(shapes, inputs)).shape)], 9) as [Values];
        const bias = async (f: Case["f"], dy: Values) =>
          (await run(device, shapes, inputs, dy, f)).bytes[3]!;
        const plain = await bias(f, dy);
        assert.deepEqual(await bias(mixedOf(f), dy), plain);
        assert.notDeepEqual(plain, await bias(f, dy.map(Math.f16round)));
      },
    );
  }

  for (const { name, shapes, f } of ROUNDED) {
    const claim =
      `gradients of ${name} are of the precision of the forward pass, wherever computed`;
    backendTest(backend, claim, async (device) => {
      const inputs = drawn(shapes);
      const [dy] = drawn([scoped(() => f(...tensors(shapes, inputs)).shape)], 9);
      const inFloat32: Case["f"] = (...given) => withPrecision("float32", () => f(...given));
      const plain = await run(device, shapes, inputs, dy!, f);
      const within = await run(device, shapes, inputs, dy!, inFloat32, "mixed_float16");
      assert.deepEqual(within.bytes, plain.bytes);
      const around = await run(device, shapes, inputs, dy!, f, "mixed_float16");
      const mixed = await run(device, shapes, inputs, dy!, mixedOf(f), "float32");
      assert.deepEqual(around.bytes, mixed.bytes);
      assert.notDeepEqual(mixed.bytes, plain.bytes);
    });
  }

  backendTest(
    backend,
    "a step of a GPT in mixed precision is another than in float32, and near it",
    async (device) => {
      const plain = await gptStep(device, "float32");
      const mixed = await gptStep(device, "mixed_float16");
      assert.deepEqual((await gptStep(device, "mixed_float16")).bytes, mixed.bytes);
      plain.values.forEach((values, at) => {
        assert.notDeepEqual(mixed.bytes[at], plain.bytes[at]);
        assertNear(mixed.values[at]!, values, 1e-2);
      });
    },
  );

  backendTest(
    backend,
    "a step with a loss scale has the mean loss and the mean gradients of all its grains",
    async (device) => {
      const samples = drawn([[2, 3], [2, 3], [2, 3]], 4);
      const alone = await Promise.all(samples.map((values) => scaledStep(device, [values])));
      for (const count of [2, 3]) {
        const together = await scaledStep(device, samples.slice(0, count));
        const means = together.map((_, at) => {
          const total = alone.slice(0, count).reduce((sum, one) => Math.fround(sum + one[at]!), 0);
          return Math.fround(total / count);
        });
        assert.deepEqual(together, means, `${count} grains`);
        assert.notDeepEqual(together, alone[0]);
      }
    },
  );
}

backendTest("cpu", "mixed precision rounds each operand once, and float32 none", async () => {
  const counts = async (precision: Precision, f: Case["f"], shapes: Case["shapes"]) => {
    const { kernels, result } = await tf.profile(() =>
      scoped(() => {
        const inputs = tensors(shapes, drawn(shapes));
        return withPrecision(precision, () => tf.grads((...given) => tf.sum(f(...given)))(inputs));
      })
    );
    tf.dispose(result);
    return kernels.filter(({ name }) => name === "foldlog.Half").length;
  };
  for (const { f, shapes } of ROUNDED) {
    assert.equal(await counts("float32", f, shapes), 0);
    assert.equal(await counts("mixed_float16", f, shapes), shapes.length + 1);
  }
});

Deno.test("withPrecision() is a scope, which ends where its work returns or throws", () => {
  assert.equal(currentPrecision(), "float32");
  const inside = withPrecision("mixed_float16", () => {
    const within = withPrecision("float32", () => currentPrecision());
    assert.throws(() =>
      withPrecision("float32", () => {
        throw new Error("on purpose");
      }), /on purpose/);
    return [within, currentPrecision()];
  });
  assert.deepEqual(inside, ["float32", "mixed_float16"]);
  assert.throws(() =>
    withPrecision("mixed_float16", () => {
      throw new Error("on purpose");
    }), /on purpose/);
  assert.equal(currentPrecision(), "float32");
});

Deno.test("withPrecision() refuses work that goes on after it returns", () => {
  const work = () => Promise.resolve(currentPrecision());
  assert.throws(
    () => withPrecision("mixed_float16", work),
    /Expected work that is synchronous, found a promise: use withPrecision\(\) inside/,
  );
  assert.equal(currentPrecision(), "float32");
});

function mixedOf(f: Case["f"]): Case["f"] {
  return (...inputs) => withPrecision("mixed_float16", () => f(...inputs));
}

/** Numbers for tensors of these shapes, which half precision does not have. */
function drawn(shapes: readonly (readonly number[])[], seed = 1): readonly Values[] {
  return shapes.map((shape, at) => [
    ...normal(foldIn(key(seed), at), shape.reduce((size, n) => size * n, 1)),
  ]);
}

function tensors(shapes: readonly (readonly number[])[], values: readonly Values[]): tf.Tensor[] {
  return shapes.map((shape, at) => tf.tensor([...values[at]!], [...shape]));
}

/** The value of `f` and its gradients for the cotangent `dy`, computed in a scope of a precision. */
async function run(
  device: Device,
  shapes: Case["shapes"],
  inputs: readonly Values[],
  dy: Values,
  f: Case["f"],
  precision: Precision = "float32",
): Promise<{ readonly values: readonly Values[]; readonly bytes: readonly Uint8Array[] }> {
  const made = scoped(() =>
    withPrecision(precision, () => {
      const given = tensors(shapes, inputs);
      const value = f(...given);
      const cotangent = tf.tensor([...dy], value.shape);
      return [value, ...tf.grads(f)(given, cotangent)];
    })
  );
  return await readAll(device, made);
}

/** Loss and gradients of one step from a weight of 0, in mixed precision and with a loss scale. */
async function scaledStep(device: Device, grains: readonly Values[]): Promise<Values> {
  const training: Training<{ readonly weight: tf.Tensor2D }> = {
    loss: ({ weight }, { x }) =>
      tf.mean<tf.Scalar>(tf.squaredDifference(dense(x as tf.Tensor2D, weight, tf.zeros([1])), 1)),
    optimizer: stateless((gradients) => gradients), // from 0, so that they are the next parameters
    schedule: () => 1,
    key: key(3),
    precision: "mixed_float16",
  };
  const lossScale = { initial: 1024 };
  const start = initialTrainState(
    () => ({ weight: tf.zeros<tf.Rank.R2>([3, 1]) }),
    training.optimizer,
    {
      lossScale,
    },
  );
  const batches = grains.map((values) => ({
    x: { dtype: "float32" as const, shape: [2, 3], data: Float32Array.from(values) },
  }));
  const { state, metrics } = trainStep(training, start, batches);
  const [values, weight] = await Promise.all(
    [metrics.values, leavesOf(state.params)[0]![1]].map((tensor) => device.read(tensor)),
  );
  for (const tree of [tensorsOf(start), tensorsOf(state), metrics.values]) release(tree);
  return [values!.data[0]!, ...weight!.data];
}

async function gptStep(device: Device, precision: Precision) {
  const sizes = { vocabulary: 13, context: 8, layers: 2, heads: 2, channels: 16, dropout: 0.1 };
  const optimizer = sgd();
  const loss = languageModelLoss(sizes);
  const training = {
    loss: (params, batch, key) => {
      const { tokens, targets } = batch as Record<"tokens" | "targets", tf.Tensor2D>;
      return withPrecision(precision, () => loss(params, { tokens, targets }, key));
    },
    optimizer,
    schedule: () => 1,
    key: key(3),
  } satisfies Parameters<typeof trainStep<ReturnType<typeof initTransformer>>>[0];
  const start = initialTrainState(() => initTransformer(sizes, key(0)), optimizer);
  const ids = (name: string) => ({
    dtype: "int32" as const,
    shape: [4, 8],
    data: Int32Array.from(bits(foldIn(key(5), name), 32), (word) => word % sizes.vocabulary),
  });
  const next = trainStep(training, start, [{ tokens: ids("tokens"), targets: ids("targets") }]);
  const leaves = leavesOf(next.state.params).map(([, leaf]) => leaf);
  const read = await Promise.all([next.metrics.values, ...leaves].map((leaf) => device.read(leaf)));
  for (const tree of [tensorsOf(start), tensorsOf(next.state), next.metrics.values]) release(tree);
  return { values: read.map(({ data }) => [...data]), bytes: read.map(bytesOf) };
}

async function readAll(device: Device, made: readonly tf.Tensor[]) {
  const read = await Promise.all(made.map((tensor) => device.read(tensor)));
  tf.dispose([...made]);
  return { values: read.map(({ data }) => [...data]), bytes: read.map(bytesOf) };
}

/** The sums over k of a term, at all i and j in row-major order. */
function sums(
  rows: number,
  columns: number,
  inner: number,
  term: (i: number, j: number, k: number) => number,
): Values {
  return Array.from({ length: rows * columns }, (_, at) => {
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += term(Math.floor(at / columns), at % columns, k);
    return sum;
  });
}

/** Within a share of the largest element. */
function assertNear(actual: Values, expected: Values, tolerance: number): void {
  assert.equal(actual.length, expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  actual.forEach((value, i) => {
    const off = Math.abs(value - expected[i]!) / largest;
    assert.ok(off <= tolerance, `[${i}]: ${value}, not ${expected[i]} (${off})`);
  });
}
