import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { bytesOf, type HostTensor, sizeOf } from "../../src/core/host_tensor.ts";
import { foldIn, key, normal } from "../../src/core/mod.ts";
import type { Device } from "../../src/ports/device.ts";
import { ADAM_UPDATE } from "../../src/train/kernels/adam_update.ts";
import {
  ATTENTION_WEIGHTS,
  ATTENTION_WEIGHTS_GRADIENT,
  MIX_VALUES,
  MIX_VALUES_GRADIENT,
} from "../../src/train/kernels/attention.ts";
import { ADD_PATCHES, imagesOf, PATCHES } from "../../src/train/kernels/convolution.ts";
import { CROSS_ENTROPY, CROSS_ENTROPY_GRADIENT } from "../../src/train/kernels/cross_entropy.ts";
import { DROPOUT } from "../../src/train/kernels/dropout.ts";
import { ADD_ROWS } from "../../src/train/kernels/embedding.ts";
import { GELU, GELU_GRADIENT } from "../../src/train/kernels/gelu.ts";
import { type Attributes, float32, type Kernel, run } from "../../src/train/kernels/kernel.ts";
import { LAYER_NORM, LAYER_NORM_GRADIENT } from "../../src/train/kernels/layer_norm.ts";
import { PRODUCT, SUM_ROWS } from "../../src/train/kernels/product.ts";
import { KERNELS } from "../../src/train/kernels/registry.ts";
import { SUM_SQUARES } from "../../src/train/kernels/sum_squares.ts";
import { UPSAMPLE, UPSAMPLE_GRADIENT } from "../../src/train/kernels/upsample.ts";
import {
  HARDWARE,
  registerWebGpuKernels,
  SOFTWARE,
  type Widths,
} from "../../src/train/kernels/webgpu/register_webgpu_kernels.ts";
import { backendTest, openTestDevice } from "../support/backends.ts";

// Sizes here reach what those of kernels_test.ts, small enough for central differences, do not: several
// workgroups, edges of tiles and of fours, more elements in a row than a workgroup has invocations. The
// reference is the cpu's form of each kernel, which adds in float64.

/** A kernel on inputs of these shapes, drawn at random. */
interface Case {
  readonly name: string;
  readonly kernel: Kernel;
  readonly shapes: readonly (readonly number[])[];
  readonly attributes: Attributes;
  /** Makes another input of what was drawn for one, by its place among the inputs. */
  readonly change: Readonly<Record<number, (drawn: Float32Array) => Float32Array | Int32Array>>;
}

const PLAIN = { transposeA: false, transposeB: false };
const LEFT = { transposeA: true, transposeB: false };
const RIGHT = { transposeA: false, transposeB: true };
const BOTH = { transposeA: true, transposeB: true };

const cases: readonly Case[] = [
  ...[PLAIN, LEFT, RIGHT, BOTH].flatMap((sides) => [
    productCase([70, 36], [36, 44], sides, true), // in fours
    productCase([70, 35], [35, 46], sides, true), // and not
  ]),
  productCase([3, 17, 20], [3, 20, 9], RIGHT),
  productCase([2, 3, 9, 8], [2, 3, 8, 72], LEFT),
  productCase([5, 9, 12], [12, 20], PLAIN, true),
  productCase([9, 12], [5, 12, 20], PLAIN),
  productCase([1, 300], [300, 1], PLAIN),
  productCase([600, 3], [3, 260], RIGHT),
  caseOf(SUM_ROWS, [[300, 70]]),
  caseOf(SUM_ROWS, [[77, 260]]),
  caseOf(SUM_ROWS, [[1, 33]]),
  caseOf(SUM_SQUARES, [[5]]),
  caseOf(SUM_SQUARES, [[130, 65]]),
  caseOf(SUM_SQUARES, [[70_001]]),
  caseOf(SUM_SQUARES, [[400, 500]]),
  caseOf(GELU, [[33, 67]]),
  caseOf(GELU, [[40, 60]]),
  caseOf(GELU_GRADIENT, [[33, 67], [33, 67]]),
  caseOf(GELU_GRADIENT, [[40, 60], [40, 60]]),
  ...[[37, 300], [5, 77], [600, 8]].flatMap(([rows, n]) => [
    caseOf(LAYER_NORM, [[rows!, n!], [n!], [n!]], { epsilon: 1e-5 }),
    caseOf(LAYER_NORM_GRADIENT, [[rows!, n!], [rows!, n!], [n!], [rows!], [rows!]]),
  ]),
  ...[[70, 260], [33, 77], [3, 1001]].flatMap(([rows, n]) => [
    caseOf(CROSS_ENTROPY, [[rows!, n!], [rows!]], {}, { 1: idsBelow(n!) }),
    caseOf(CROSS_ENTROPY_GRADIENT, [[], [rows!, n!], [rows!]], {}, { 2: idsBelow(n! + 2, -1) }),
  ]),
  // More rows than a dispatch has workgroups in one dimension.
  caseOf(CROSS_ENTROPY_GRADIENT, [[], [66_000, 3], [66_000]], {}, { 2: idsBelow(3) }),
  caseOf(ADD_ROWS, [[300, 36], [300]], { rows: 50 }, { 1: idsBelow(60, -5) }),
  caseOf(ADD_ROWS, [[130, 7], [130]], { rows: 3000 }, { 1: idsBelow(3000) }),
  caseOf(ADD_ROWS, [[150, 80], [150]], { rows: 9 }, { 1: (drawn) => new Int32Array(drawn.length) }),
  ...[[33, 67], [40, 60]].map((shape) =>
    caseOf(ADAM_UPDATE, [shape, shape, shape, shape], {
      ...{ beta1: 0.9, beta2: 0.999, epsilon: 1e-8, correction1: 0.19, correction2: 0.002 },
      ...{ decay: 0.1, learningRate: 3e-4 },
    }, { 2: (drawn) => drawn.map(Math.abs) })
  ),
  ...[
    patchesCases([2, 9, 7, 8], 3, 3, 1), // in fours
    patchesCases([2, 9, 7, 5], 3, 3, 2), // and not
    patchesCases([1, 6, 5, 68], 1, 1, 2), // more channels than share a pixel out
    patchesCases([3, 4, 11, 3], 5, 4, 2),
    patchesCases([1, 13, 8, 4], 2, 3, 4), // pixels that no position sees
    patchesCases([2, 2, 1, 130], 5, 3, 1), // a window larger than the image
  ].flat(),
  ...[[2, 6, 4, 8], [3, 2, 10, 5], [1, 2, 2, 68], [2, 20, 34, 6]].flatMap((shape) => [
    caseOf(UPSAMPLE, [shape]),
    caseOf(UPSAMPLE_GRADIENT, [shape]),
  ]),
  ...[[2, 70, 3, 8], [1, 33, 2, 5], [3, 64, 4, 16], [1, 300, 1, 20]].flatMap(
    ([batch, context, heads, width]) => {
      const shape = { batch: batch!, context: context!, heads: heads! };
      const squares = [batch!, heads!, context!, context!];
      const rows = batch! * context!;
      const qkv = [rows, 3 * heads! * width!];
      const causal = { 1: lowerPart(context!) };
      return [
        caseOf(ATTENTION_WEIGHTS, [qkv], shape),
        caseOf(ATTENTION_WEIGHTS_GRADIENT, [squares, squares, qkv], shape, causal),
        caseOf(MIX_VALUES, [squares, qkv], shape, { 0: lowerPart(context!) }),
        caseOf(MIX_VALUES_GRADIENT, [[rows, heads! * width!], squares, qkv], shape, causal),
      ];
    },
  ),
];

for (const [made, widths] of [["a processor", SOFTWARE], ["a GPU", HARDWARE]] as const) {
  for (const one of cases) {
    const claim = `${one.name} made for ${made} is that of the cpu, the same bits twice`;
    backendTest("webgpu", claim, async () => {
      const expected = await results(one, await openTestDevice("cpu"));
      const device = await openTestDevice("webgpu");
      await withWidths(widths, async () => {
        const actual = await results(one, device);
        await results(DECOY, device);
        const again = await results(one, device);
        assert.equal(actual.length, expected.length);
        actual.forEach((result, i) => {
          assert.deepEqual(result.shape, expected[i]!.shape);
          assertNear(result.data, expected[i]!.data, `result ${i}`);
          assert.deepEqual(bytesOf(again[i]!), bytesOf(result));
        });
      });
    });
  }
}

backendTest("webgpu", "dropout() has the cpu's bits, whatever the size", async () => {
  for (const count of [1, 2, 7, 64, 1001, 20_000]) {
    for (const threshold of [1, 2 ** 31, 2 ** 32 - 1, 2 ** 32]) {
      const attributes = { hi: 0x89abcdef, lo: 0xfedcba98, threshold, kept: Math.fround(1 / 0.7) };
      const one = caseOf(DROPOUT, [[count]], attributes);
      const [expected] = await results(one, await openTestDevice("cpu"));
      const [actual] = await results(one, await openTestDevice("webgpu"));
      assert.deepEqual(bytesOf(actual!), bytesOf(expected!));
    }
  }
});

backendTest("webgpu", "crossEntropy() of a target that is no class is NaN", async (device) => {
  for (const target of [-1, 9, 2 ** 31 - 1]) {
    const targets = { 1: () => Int32Array.of(0, target) };
    const [loss, softmax] = await results(
      caseOf(CROSS_ENTROPY, [[2, 9], [2]], {}, targets),
      device,
    );
    assert.ok(Number.isNaN(loss!.data[0]));
    assert.ok(softmax!.data.every(Number.isFinite));
  }
});

backendTest(
  "webgpu",
  "a chain of kernels and of tfjs's own is computed in its order, and reuses no buffer too early",
  async (device) => {
    const chained = () =>
      tf.tidy(() => {
        let x = tf.tensor2d([...normal(key(1), 64)], [8, 8]);
        const weight = tf.tensor2d([...normal(key(2), 64)].map((value) => value / 4), [8, 8]);
        for (let i = 0; i < 60; i++) {
          const [multiplied] = run(PRODUCT, [x, weight], {
            transposeA: false,
            transposeB: i % 2 > 0,
          });
          const [bent] = run(GELU, [tf.add(multiplied!, tf.scalar(i / 100))], {});
          x = tf.add(bent!, tf.mul(x, 0.5)) as tf.Tensor2D;
        }
        return x;
      });
    await openTestDevice("cpu");
    const onCpu = chained();
    const expected = await device.read(onCpu);
    onCpu.dispose();
    await openTestDevice("webgpu");
    const onGpu = chained();
    assertNear((await device.read(onGpu)).data, expected.data, "the last of the chain");
    onGpu.dispose();
  },
);

/** Other work, between two runs of a kernel. */
const DECOY = productCase([70, 36], [36, 44], PLAIN, true);

function caseOf<A extends Attributes>(
  kernel: Kernel<A>,
  shapes: readonly (readonly number[])[],
  attributes: A = {} as A,
  change: Case["change"] = {},
): Case {
  const sizes = shapes.map((shape) => `[${shape}]`).join(" ");
  const how = Object.values(attributes).join();
  const name = `${kernel.name} of ${sizes} (${how})`;
  return { name, kernel: kernel as unknown as Kernel, shapes, attributes, change };
}

/** The product of matrices of these shapes after any exchange. */
function productCase(
  a: readonly number[],
  b: readonly number[],
  sides: typeof PLAIN,
  bias = false,
): Case {
  const shapes = [exchanged(a, sides.transposeA), exchanged(b, sides.transposeB)];
  return caseOf(PRODUCT, [...shapes, ...(bias ? [b.slice(-1)] : [])], sides);
}

/** What a window sees of images, and the sums of it. */
function patchesCases(
  shape: readonly number[],
  kernelHeight: number,
  kernelWidth: number,
  stride: number,
): readonly Case[] {
  const window = { kernelHeight, kernelWidth, stride };
  const [rows] = PATCHES.results([float32(shape)], window);
  return [
    caseOf(PATCHES, [shape], window),
    caseOf(ADD_PATCHES, [rows!.shape], { ...imagesOf(shape), ...window }),
  ];
}

/** What a kernel makes of its inputs on a device. */
async function results(
  { name, kernel, shapes, attributes, change }: Case,
  device: Device,
): Promise<readonly HostTensor[]> {
  const inputs = shapes.map((shape, i) => {
    const drawn = normal(foldIn(foldIn(key(7), name), i), sizeOf(shape));
    const data = change[i]?.(drawn) ?? drawn;
    return tf.tensor(data, [...shape], data instanceof Int32Array ? "int32" : "float32");
  });
  const made = tf.tidy(() => run(kernel, inputs, attributes));
  const read = await Promise.all(made.map((tensor) => device.read(tensor)));
  tf.dispose([...inputs, ...made]);
  return read;
}

/** Runs `f` with kernels made for such a device in place of those that are registered. */
async function withWidths(widths: Widths, f: () => Promise<void>): Promise<void> {
  const names = Object.values(KERNELS).map(({ name }) => name);
  const before = names.map((name) => tf.getKernel(name, "webgpu"));
  names.forEach((name) => tf.unregisterKernel(name, "webgpu"));
  registerWebGpuKernels(widths);
  try {
    await f();
  } finally {
    names.forEach((name) => tf.unregisterKernel(name, "webgpu"));
    before.forEach((config) => tf.registerKernel(config));
  }
}

function exchanged(shape: readonly number[], transposed: boolean): readonly number[] {
  return transposed ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape;
}

/** Draws integers from `first` up to `first + count`, most of them more than once. */
function idsBelow(count: number, first = 0): (drawn: Float32Array) => Int32Array {
  return (drawn) =>
    Int32Array.from(drawn, (value) => first + Math.floor(Math.abs(value) * 1e4) % count);
}

/** Sets to 0 what is above the diagonal of squares. */
function lowerPart(context: number): (drawn: Float32Array) => Float32Array {
  return (drawn) =>
    drawn.map((value, at) => at % context <= Math.floor(at / context) % context ? value : 0);
}

/** Within 1e-4 of the largest element. */
function assertNear(actual: HostTensor["data"], expected: HostTensor["data"], what: string): void {
  const largest = [...expected].reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  actual.forEach((value, i) => {
    const allowed = 1e-4 * largest;
    assert.ok(
      Math.abs(value - expected[i]!) <= allowed,
      `${what} [${i}]: ${value}, not ${expected[i]} (allowed ${allowed})`,
    );
  });
}
