import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { bytesOf } from "../../src/core/host_tensor.ts";
import { bits, foldIn, key, normal, type RngKey } from "../../src/core/rng_key.ts";
import type { Device } from "../../src/ports/device.ts";
import { causalAttention } from "../../src/train/kernels/attention.ts";
import { convolution } from "../../src/train/kernels/convolution.ts";
import { crossEntropy } from "../../src/train/kernels/cross_entropy.ts";
import { dropout } from "../../src/train/kernels/dropout.ts";
import { embedding } from "../../src/train/kernels/embedding.ts";
import { gelu } from "../../src/train/kernels/gelu.ts";
import { layerNorm } from "../../src/train/kernels/layer_norm.ts";
import { dense, PRODUCT, product, SUM_ROWS } from "../../src/train/kernels/product.ts";
import { upsample } from "../../src/train/kernels/upsample.ts";
import { withGradient } from "../../src/train/kernels/with_gradient.ts";
import { scoped } from "../../src/train/ownership.ts";
import { backendTest } from "../support/backends.ts";

// Each kernel is written down a second time in float64, element by element, and compared: its value,
// and its gradient with central differences of that second form. A random cotangent, the same
// for both, makes a gradient that is right only for a sum of the outputs fail.

/** A matrix or a list of them, in row-major order, as the float64 forms take it. */
type Values = readonly number[];

interface Case {
  readonly name: string;
  /** Shapes of the inputs that have a gradient. */
  readonly shapes: readonly (readonly number[])[];
  readonly values: readonly Values[];
  /** An input of integers, which comes last and has no gradient. */
  readonly ids?: readonly number[];
  readonly kernel: (...inputs: tf.Tensor[]) => tf.Tensor;
  readonly reference: (...inputs: Values[]) => Values;
}

const IDS = [3, 0, 3, 1, 3];
const TARGETS = [2, 0, 4];

const cases: readonly Case[] = [
  caseOf("product()", [[3, 4], [4, 2]], product, (a, b) => matMul(a, b, 1, 3, 4, 2)),
  caseOf(
    "product() of a batch",
    [[2, 3, 4], [2, 4, 2]],
    product,
    (a, b) => matMul(a, b, 2, 3, 4, 2),
  ),
  caseOf(
    "product() of a batch of heads",
    [[2, 2, 3, 2], [2, 2, 2, 3]],
    product,
    (a, b) => matMul(a, b, 4, 3, 2, 3),
  ),
  caseOf(
    "product() of a transposed left side",
    [[4, 3], [4, 2]],
    (a, b) => product(a, b, { transposeA: true }),
    (a, b) => matMul(transposed(a, 4, 3), b, 1, 3, 4, 2),
  ),
  caseOf(
    "product() of a transposed right side",
    [[3, 4], [2, 4]],
    (a, b) => product(a, b, { transposeB: true }),
    (a, b) => matMul(a, transposed(b, 2, 4), 1, 3, 4, 2),
  ),
  caseOf(
    "product() of two transposed sides",
    [[4, 3], [2, 4]],
    (a, b) => product(a, b, { transposeA: true, transposeB: true }),
    (a, b) => matMul(transposed(a, 4, 3), transposed(b, 2, 4), 1, 3, 4, 2),
  ),
  caseOf("dense()", [[3, 4], [4, 2], [2]], dense, (x, weight, bias) => {
    return matMul(x, weight, 1, 3, 4, 2).map((value, i) => value + bias[i % 2]!);
  }),
  {
    ...caseOf("embedding()", [[5, 3]], embedding, (table) => {
      return IDS.flatMap((id) => table.slice(id * 3, id * 3 + 3));
    }),
    ids: IDS,
  },
  {
    ...caseOf("gelu()", [[2, 7]], gelu, (x) => x.map(geluOf)),
    values: [[-9, -3, -1, -0.5, -1e-3, 0, 1e-3, 0.25, 0.5, 1, 2, 3, 5, 12]],
  },
  caseOf("layerNorm()", [[3, 5], [5], [5]], layerNorm, (x, weight, bias) => {
    return rowsOf(x, 5).flatMap((row) => {
      const mean = sum(row) / 5;
      const variance = sum(row.map((value) => (value - mean) ** 2)) / 5;
      return row.map((value, i) =>
        (value - mean) / Math.sqrt(variance + 1e-5) * weight[i]! + bias[i]!
      );
    });
  }),
  {
    ...caseOf("crossEntropy()", [[3, 5]], crossEntropy, (logits) => {
      const losses = rowsOf(logits, 5).map((row, i) => -Math.log(softmax(row)[TARGETS[i]!]!));
      return [sum(losses) / 3];
    }),
    ids: TARGETS,
  },
  caseOf(
    "causalAttention()",
    [[2 * 3, 3 * 4]],
    (qkv) => causalAttention(qkv as tf.Tensor2D, { batch: 2, context: 3, heads: 2 }),
    (qkv) => attentionOf(qkv, { batch: 2, context: 3, heads: 2, width: 2 }),
  ),
  convolutionCase([1, 5, 4, 2], [3, 3, 2, 3]),
  convolutionCase([2, 5, 4, 2], [3, 3, 2, 2], 2), // an odd height: the window stands over the last row
  convolutionCase([2, 4, 6, 1], [3, 3, 1, 2], 2), // an even one: it does not
  convolutionCase([2, 3, 2, 3], [1, 1, 3, 4]),
  convolutionCase([2, 5, 3, 2], [1, 1, 2, 3], 2),
  convolutionCase([1, 4, 7, 4], [5, 1, 4, 1], 3),
  convolutionCase([1, 2, 1, 2], [5, 3, 2, 2]), // a kernel larger than the image
  convolutionCase([1, 4, 3, 1], [2, 4, 1, 2]), // even sizes: one more after than before
  convolutionCase([1, 7, 5, 4], [2, 3, 4, 4], 4), // pixels that no position sees
  caseOf("upsample()", [[2, 3, 2, 5]], upsample, (x) => upsampled(x, 3, 2, 5)),
  caseOf("upsample() in fours", [[1, 1, 3, 4]], upsample, (x) => upsampled(x, 1, 3, 4)),
  caseOf(
    "dropout()",
    [[4, 5]],
    (x) => dropout(x, 0.4, key(7)),
    (x) => x.map((value, i) => value * maskOf(key(7), 20, 0.4)[i]!),
  ),
];

for (const backend of BACKENDS) {
  for (const { name, shapes, values, ids, kernel, reference } of cases) {
    const claim = `${name} has the value and the gradient of its float64 form, the same bits twice`;
    backendTest(backend, claim, async (device) => {
      const cotangent = [...normal(key(99), reference(...values).length)];
      const expected = reference(...values);
      const gradients = differences(
        values,
        (...inputs) => sum(reference(...inputs).map((value, i) => value * cotangent[i]!)),
      );

      const runs = [await run(device), await run(device)];
      assert.deepEqual(runs[0]!.bits, runs[1]!.bits);
      const [value, ...actual] = runs[0]!.values;
      assertNear(value!, expected, TOLERANCE[backend].value, "value");
      actual.forEach((gradient, i) => {
        assertNear(gradient, gradients[i]!, TOLERANCE[backend].gradient, `gradient of input ${i}`);
      });

      async function run(device: Device) {
        const tensors = scoped(() => {
          const inputs = values.map((input, i) => tf.tensor([...input], [...shapes[i]!]));
          const last = ids === undefined ? [] : [tf.tensor1d([...ids], "int32")];
          const value = kernel(...inputs, ...last);
          const weights = tf.tensor(cotangent, value.shape);
          const grads = tf.grads((...given) => tf.sum(tf.mul(kernel(...given, ...last), weights)))(
            inputs,
          );
          grads.forEach((gradient, i) => assert.deepEqual(gradient.shape, shapes[i]));
          return [value, ...grads];
        });
        const read = await Promise.all(tensors.map((tensor) => device.read(tensor)));
        tf.dispose(tensors);
        return {
          values: read.map(({ data }) => [...data]),
          bits: read.map((tensor) => [...bytesOf(tensor)]),
        };
      }
    });
  }

  backendTest(backend, "crossEntropy() stays finite on logits of any size", async (device) => {
    const logits = [1000, 0, -1000, 0, 1000, 1000];
    const { value, gradient } = await lossOf(device, logits, [0, 1]);
    assertNear([value], [Math.log(2) / 2], 1e-5, "value"); // rows: certain and right; even odds
    assertNear(gradient, [0, 0, 0, 0, -0.25, 0.25], 1e-5, "gradient");
    const wrong = await lossOf(device, logits, [2, 0]);
    assertNear([wrong.value], [(2000 + 1000 + Math.log(2)) / 2], 1e-5, "value");
  });

  backendTest(
    backend,
    "crossEntropy() of equal logits is the logarithm of the classes",
    async (device) => {
      const { value, gradient } = await lossOf(device, Array(8).fill(3.5), [1, 0]);
      assertNear([value], [Math.log(4)], 1e-6, "value");
      const [right, other] = [-0.375, 0.125];
      assertNear(
        gradient,
        [other, right, other, other, right, other, other, other],
        1e-6,
        "gradient",
      );
    },
  );

  backendTest(
    backend,
    "layerNorm() of a constant row is its shift, with a finite gradient",
    async (device) => {
      const { value, gradient } = await valueAndGradient(
        device,
        [2, 3],
        [5, 5, 5, 0, 0, 0],
        (x) => layerNorm(x as tf.Tensor2D, tf.tensor1d([1, 2, 3]), tf.tensor1d([0.5, 0, -1])),
      );
      assert.deepEqual(value, [0.5, 0, -1, 0.5, 0, -1]);
      assert.ok(gradient.every(Number.isFinite));
    },
  );

  backendTest(
    backend,
    "gelu() is the identity far above zero and nothing far below",
    async (device) => {
      const { value, gradient } = await valueAndGradient(device, [4], [30, -30, 1e4, -1e4], gelu);
      assertNear(value, [30, 0, 1e4, 0], 1e-6, "value");
      assertNear(gradient, [1, 0, 1, 0], 1e-6, "gradient");
    },
  );

  backendTest(
    backend,
    "causalAttention() of an earlier token never sees a later one, to the bit",
    async (device) => {
      const shape = { batch: 2, context: 4, heads: 2 };
      const qkv = [...normal(key(5), 8 * 12)];
      const before = await valueAndGradient(
        device,
        [8, 12],
        qkv,
        (x) => causalAttention(x as tf.Tensor2D, shape),
      );
      for (const position of [1, 2, 3]) {
        const changed = qkv.map((value, i) => {
          const row = Math.floor(i / 12) % 4; // in both sequences
          return row >= position ? 50 * value - 20 : value;
        });
        const after = await valueAndGradient(
          device,
          [8, 12],
          changed,
          (x) => causalAttention(x as tf.Tensor2D, shape),
        );
        for (let row = 0; row < 8; row++) {
          const [a, b] = [before, after].map(({ value }) => value.slice(row * 4, row * 4 + 4));
          if (row % 4 < position) {
            assert.deepEqual(a, b, `row ${row}, changed from ${position}`);
          } else assert.notDeepEqual(a, b, `row ${row}, changed from ${position}`);
        }
      }
    },
  );

  backendTest(backend, "causalAttention() lets no gradient reach a later token", async (device) => {
    const shape = { batch: 1, context: 4, heads: 1 };
    const { gradient } = await valueAndGradient(
      device,
      [4, 6],
      [...normal(key(6), 24)],
      (x) => tf.slice(causalAttention(x as tf.Tensor2D, shape), [0, 0], [2, 2]),
    );
    const size = (row: number) => sum(gradient.slice(row * 6, row * 6 + 6).map(Math.abs));
    assert.ok(size(0) > 0 && size(1) > 0);
    assert.deepEqual([size(2), size(3)], [0, 0]);
  });

  backendTest(backend, "causalAttention() keeps the sequences of a batch apart", async (device) => {
    const qkv = [...normal(key(8), 6 * 6)];
    const outputs = [qkv.slice(0, 18), qkv.slice(18), qkv].map((rows) =>
      valueAndGradient(
        device,
        [rows.length / 6, 6],
        rows,
        (x) => causalAttention(x as tf.Tensor2D, { batch: rows.length / 18, context: 3, heads: 1 }),
      )
    );
    const [first, second, both] = await Promise.all(outputs);
    assertNear(both!.value, [...first!.value, ...second!.value], 1e-6, "value");
  });

  backendTest(
    backend,
    "causalAttention() applies `attend` to weights that are a causal softmax",
    async (device) => {
      const shapes: (readonly number[])[] = [];
      const seen: tf.Tensor[] = [];
      const { value } = await valueAndGradient(
        device,
        [6, 12],
        [...normal(key(4), 72)],
        (x) =>
          causalAttention(x as tf.Tensor2D, { batch: 2, context: 3, heads: 2 }, (weights) => {
            shapes.push(weights.shape);
            if (seen.length === 0) {
              seen.push(tf.keep(weights.clone()));
            }
            return tf.zerosLike(weights);
          }),
      );
      assert.deepEqual(shapes[0], [2, 2, 3, 3]);
      assert.ok(value.every((element) => element === 0));
      const weights = [...(await device.read(seen[0]!)).data];
      tf.dispose(seen);
      rowsOf(weights, 3).forEach((row, i) => {
        assertNear([sum(row)], [1], 1e-6, "sum");
        row.forEach((weight, column) =>
          assert.equal(weight === 0, column > i % 3, `${i} ${column}`)
        );
      });
    },
  );

  backendTest(
    backend,
    "dropout() has the mask that its key determines, on every backend",
    async (device) => {
      const [word] = bits(key(3), 1); // kept at its own rate: it is not below itself
      for (const rate of [0.1, 0.5, 0.9, word! / 2 ** 32]) {
        const ones = await droppedOnes(device, 1000, rate, key(3));
        assert.deepEqual(ones, maskOf(key(3), 1000, rate));
      }
    },
  );
}

backendTest("cpu", "convolution() and upsample() refuse what does not fit, and say why", () => {
  tf.tidy(() => {
    const convolve = (x: number[], kernel: number[], bias: number[], stride = 1) => () =>
      convolution(zeros(x), zeros(kernel), zeros(bias), { stride });
    const [x, kernel] = [[1, 4, 4, 3], [3, 3, 3, 2]];
    const refused = (compute: () => unknown, message: string) =>
      assert.throws(compute, { name: "RangeError", message });
    const images = "Expected images [n, height, width, channels]";
    refused(convolve([4, 4, 3], kernel, [2]), `${images}, found [4,4,3]`);
    refused(convolve([1, 0, 4, 3], kernel, [2]), `${images}, found [1,0,4,3]`);
    const sizes = "Expected a kernel [height, width, 3, out] for images [1,4,4,3]";
    refused(convolve(x, [3, 3, 2, 2], [2]), `${sizes}, found [3,3,2,2]`);
    refused(convolve(x, [9, 3, 2], [2]), `${sizes}, found [9,3,2]`);
    refused(convolve(x, [3, 0, 3, 2], [2]), `${sizes}, found [3,0,3,2]`);
    refused(convolve(x, kernel, [3]), "Expected a bias [2] for a kernel [3,3,3,2], found [3]");
    refused(convolve(x, kernel, []), "Expected a bias [2] for a kernel [3,3,3,2], found []");
    for (const stride of [0, -1, 1.5, NaN, 2 ** 31]) {
      const expected = "stride: expected an integer from 1 to 2147483647";
      refused(convolve(x, kernel, [2], stride), `${expected}, found ${stride}`);
    }
    refused(() => upsample(zeros([4, 4, 3])), `${images}, found [4,4,3]`);
  });
});

backendTest("cpu", "dropout() of rate 0 is the identity, to the handle", () => {
  const x = tf.tensor1d([1, NaN, -0]);
  assert.equal(dropout(x, 0, key(1)), x);
  x.dispose();
});

backendTest("cpu", "dropout() of rate 1 keeps nothing", async (device) => {
  assert.deepEqual(await droppedOnes(device, 50, 1, key(1)), Array(50).fill(0));
});

backendTest(
  "cpu",
  "dropout() keeps its share, within four deviations, and scales it to the same mean",
  async (device) => {
    const count = 20_000;
    for (const rate of [0.1, 0.3, 0.5, 0.9]) {
      const ones = await droppedOnes(device, count, rate, key(11));
      const kept = ones.filter((value) => value !== 0);
      const deviation = Math.sqrt(count * rate * (1 - rate));
      assert.ok(
        Math.abs(kept.length - count * (1 - rate)) < 4 * deviation,
        `${rate}: ${kept.length}`,
      );
      assert.ok(kept.every((value) => value === Math.fround(1 / (1 - rate))));
    }
  },
);

backendTest(
  "cpu",
  "dropout() has the same mask for the same key, another for another",
  async (device) => {
    const masks = [key(1), key(2), foldIn(key(1), 0), foldIn(key(1), "h.0.mlp")];
    const texts: string[] = [];
    for (const key of masks) {
      const first = (await droppedOnes(device, 200, 0.5, key)).join();
      assert.equal((await droppedOnes(device, 200, 0.5, key)).join(), first);
      texts.push(first);
    }
    assert.equal(new Set(texts).size, masks.length);
  },
);

backendTest(
  "cpu",
  "dropout() takes its mask by position, whatever shape and values x has",
  async (device) => {
    const x = tf.tensor3d([...normal(key(1), 24)], [2, 3, 4]);
    const dropped = scoped(() => dropout(x, 0.5, key(2)));
    assert.deepEqual(dropped.shape, [2, 3, 4]);
    const [before, after] = [(await device.read(x)).data, (await device.read(dropped)).data];
    const mask = maskOf(key(2), 24, 0.5);
    assert.deepEqual([...after], [...before].map((value, i) => Math.fround(value * mask[i]!)));
    tf.dispose([x, dropped]);
  },
);

backendTest(
  "cpu",
  "withGradient() gives `gradient` what `forward` saved, and each input its own",
  async (device) => {
    const read = scoped(() => {
      const [x, y] = [tf.scalar(3), tf.scalar(4)];
      const grads = tf.grads((a, b) =>
        withGradient(
          [a!, b!],
          ([a, b]) => ({ value: tf.mul(a!, b!), saved: [b!, tf.scalar(10)] }),
          (dy, [b, ten]) => [tf.mul(dy, b!), tf.mul(dy, ten!)],
        )
      )([x, y], tf.scalar(2));
      return grads;
    });
    assert.deepEqual(await Promise.all(read.map(async (x) => [...(await device.read(x)).data])), [[
      8,
    ], [20]]);
    tf.dispose(read);
  },
);

backendTest("cpu", "withGradient() computes the gradients that are asked for, and no other", () => {
  tf.tidy(() => {
    const computed: string[] = [];
    const counted = (name: string, value: tf.Tensor) => () => {
      computed.push(name);
      return value;
    };
    const [x, y] = [tf.scalar(3), tf.scalar(4)];
    const f = (a: tf.Tensor, b: tf.Tensor) =>
      withGradient<tf.Scalar>(
        [a, b],
        ([a, b]) => ({ value: tf.mul(a!, b!), saved: [a!, b!] }),
        (dy, [a, b]) => [counted("a", tf.mul(dy, b!)), counted("b", tf.mul(dy, a!))],
      );
    assert.equal(tf.grad((a) => f(a, y))(x).dataSync()[0], 4);
    assert.deepEqual(computed.splice(0), ["a"]);
    assert.equal(tf.grad((b) => f(x, b))(y).dataSync()[0], 3);
    assert.deepEqual(computed.splice(0), ["b"]);
    assert.equal(tf.grad((a) => f(a, a))(x).dataSync()[0], 6);
    assert.deepEqual(computed, ["a", "b"]);
  });
});

backendTest(
  "cpu",
  "a product computes the gradients that are asked for, and no other",
  async () => {
    const [x, w, b] = [tf.ones([2, 3]), tf.ones([3, 4]), tf.ones([4])] as [
      tf.Tensor2D,
      tf.Tensor2D,
      tf.Tensor1D,
    ];
    const of = async (f: () => tf.Tensor | tf.Tensor[]) => {
      const { result, kernels } = await tf.profile(f);
      tf.dispose(result);
      const names = kernels.map(({ name }) => name);
      const { length: products } = names.filter((name) => name === PRODUCT.name);
      return [products, names.filter((name) => name === SUM_ROWS.name).length];
    };
    assert.deepEqual(await of(() => tf.grad((x) => product(x, w))(x)), [2, 0]);
    assert.deepEqual(await of(() => tf.grad((w) => product(x, w))(w)), [2, 0]);
    assert.deepEqual(await of(() => tf.grads((x, w) => product(x!, w!))([x, w])), [3, 0]);
    assert.deepEqual(await of(() => tf.grad((x) => dense(x as tf.Tensor2D, w, b))(x)), [2, 0]);
    assert.deepEqual(await of(() => tf.grad((b) => dense(x, w, b as tf.Tensor1D))(b)), [1, 1]);
    tf.dispose([x, w, b]);
  },
);

/** Relative to the largest expected element. Functions of a GPU are allowed to be less exact. */
const TOLERANCE = {
  cpu: { value: 1e-6, gradient: 1e-5 },
  wasm: { value: 1e-6, gradient: 1e-5 },
  webgpu: { value: 1e-4, gradient: 1e-3 },
} as const;

/** A case with random inputs. */
function caseOf(
  name: string,
  shapes: readonly (readonly number[])[],
  // deno-lint-ignore no-explicit-any
  kernel: (...inputs: any[]) => tf.Tensor,
  reference: (...inputs: Values[]) => Values,
): Case {
  const values = shapes.map((
    shape,
    i,
  ) => [...normal(foldIn(key(1), `${name} ${i}`), shape.reduce((size, n) => size * n, 1))]);
  return { name, shapes, values, kernel, reference };
}

/** Zeros of a shape that the types may not expect. */
function zeros<R extends tf.Rank>(shape: number[]): tf.Tensor<R> {
  return tf.zeros(shape as tf.ShapeMap[R]);
}

/** A convolution of images [n, height, width, in] with a kernel [kernelHeight, kernelWidth, in, out]. */
function convolutionCase(images: readonly number[], kernel: readonly number[], stride = 1): Case {
  return caseOf(
    `convolution() of [${images}] with [${kernel}] at stride ${stride}`,
    [images, kernel, [kernel[3]!]],
    (x, weights, bias) => convolution(x, weights, bias, { stride }),
    (x, weights, bias) => convolved(x, images, weights, kernel, bias, stride),
  );
}

/** The sums of products of what lies under a kernel, at each position of it, element by element. */
function convolved(
  x: Values,
  [items, height, width, inputs]: readonly number[],
  weights: Values,
  [kernelHeight, kernelWidth, , outputs]: readonly number[],
  bias: Values,
  stride: number,
): Values {
  const y: number[] = [];
  for (let item = 0; item < items!; item++) {
    for (let i = 0; i < height!; i += stride) {
      for (let j = 0; j < width!; j += stride) {
        for (let output = 0; output < outputs!; output++) {
          let total = bias[output]!;
          for (let ky = 0; ky < kernelHeight!; ky++) {
            for (let kx = 0; kx < kernelWidth!; kx++) {
              const row = i + ky - Math.floor((kernelHeight! - 1) / 2);
              const column = j + kx - Math.floor((kernelWidth! - 1) / 2);
              if (row < 0 || row >= height! || column < 0 || column >= width!) continue;
              for (let input = 0; input < inputs!; input++) {
                const pixel = x[((item * height! + row) * width! + column) * inputs! + input]!;
                const place = (ky * kernelWidth! + kx) * inputs! + input;
                total += pixel * weights[place * outputs! + output]!;
              }
            }
          }
          y.push(total);
        }
      }
    }
  }
  return y;
}

/** Images of a height, at twice their height and width. */
function upsampled(x: Values, height: number, width: number, channels: number): Values {
  return rowsOf(x, height * width * channels).flatMap((image) =>
    rowsOf(image, width * channels).flatMap((row) => {
      const wide = rowsOf(row, channels).flatMap((pixel) => [...pixel, ...pixel]);
      return [...wide, ...wide];
    })
  );
}

/** Central differences of a function of several inputs: one gradient for each. */
function differences(
  inputs: readonly Values[],
  f: (...inputs: Values[]) => number,
): readonly Values[] {
  const step = 1e-5;
  return inputs.map((input, which) =>
    input.map((value, i) => {
      const at = (x: number) => f(...inputs.with(which, input.with(i, x)));
      return (at(value + step) - at(value - step)) / (2 * step);
    })
  );
}

/** `count` products of [n, k] and [k, m]. */
function matMul(a: Values, b: Values, count: number, n: number, k: number, m: number): Values {
  return Array.from({ length: count * n * m }, (_, at) => {
    const [which, row, column] = [Math.floor(at / (n * m)), Math.floor(at / m) % n, at % m];
    const terms = Array.from(
      { length: k },
      (_, i) => a[(which * n + row) * k + i]! * b[(which * k + i) * m + column]!,
    );
    return sum(terms);
  });
}

function geluOf(x: number): number {
  return x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

function softmax(row: Values): Values {
  const exps = row.map((value) => Math.exp(value - Math.max(...row)));
  return exps.map((value) => value / sum(exps));
}

/** Attention position by position; heads side by side within queries, keys and values. */
function attentionOf(
  qkv: Values,
  { batch, context, heads, width }: {
    readonly batch: number;
    readonly context: number;
    readonly heads: number;
    readonly width: number;
  },
): Values {
  const channels = heads * width;
  const rows = rowsOf(qkv, 3 * channels);
  const output: number[] = [];
  for (let sequence = 0; sequence < batch; sequence++) {
    const tokens = rows.slice(sequence * context, (sequence + 1) * context);
    tokens.forEach((token, position) => {
      for (let head = 0; head < heads; head++) {
        const part = (row: Values, which: number) =>
          row.slice(which * channels + head * width, which * channels + (head + 1) * width);
        const past = tokens.slice(0, position + 1);
        const weights = softmax(
          past.map((other) =>
            sum(part(token, 0).map((q, i) => q * part(other, 1)[i]!)) / Math.sqrt(width)
          ),
        );
        for (let i = 0; i < width; i++) {
          output.push(sum(past.map((other, at) => weights[at]! * part(other, 2)[i]!)));
        }
      }
    });
  }
  return output;
}

/** What dropout multiplies by: 0 where a random word is below rate * 2^32. */
function maskOf(key: RngKey, count: number, rate: number): Values {
  return Array.from(
    bits(key, count),
    (word) => word / 2 ** 32 < rate ? 0 : Math.fround(1 / (1 - rate)),
  );
}

async function droppedOnes(
  device: Device,
  count: number,
  rate: number,
  key: RngKey,
): Promise<Values> {
  const dropped = scoped(() => dropout(tf.ones([count]), rate, key));
  const { data } = await device.read(dropped);
  dropped.dispose();
  return [...data];
}

async function lossOf(device: Device, logits: Values, targets: readonly number[]) {
  const shape = [targets.length, logits.length / targets.length];
  const { value, gradient } = await valueAndGradient(
    device,
    shape,
    logits,
    (x) => crossEntropy(x as tf.Tensor2D, tf.tensor1d([...targets], "int32")),
  );
  return { value: value[0]!, gradient };
}

/** The value of a function of one tensor, and the gradient of its sum. */
async function valueAndGradient(
  device: Device,
  shape: readonly number[],
  values: Values,
  f: (x: tf.Tensor) => tf.Tensor,
): Promise<{ readonly value: Values; readonly gradient: Values }> {
  const tensors = scoped(() => {
    const x = tf.tensor([...values], [...shape]);
    return [f(x), tf.grad((x) => tf.sum(f(x)))(x)] as const;
  });
  const [value, gradient] = await Promise.all(tensors.map((tensor) => device.read(tensor)));
  tf.dispose([...tensors]);
  return { value: [...value!.data], gradient: [...gradient!.data] };
}

function assertNear(actual: Values, expected: Values, tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, what);
  const allowed = tolerance * Math.max(...expected.map(Math.abs));
  actual.forEach((value, i) => {
    const message = `${what} [${i}]: ${value}, not ${expected[i]} (allowed ${allowed})`;
    assert.ok(Math.abs(value - expected[i]!) <= allowed, message);
  });
}

function rowsOf(values: Values, width: number): readonly Values[] {
  return Array.from(
    { length: values.length / width },
    (_, row) => values.slice(row * width, (row + 1) * width),
  );
}

function sum(values: Values): number {
  return values.reduce((total, value) => total + value, 0);
}

function transposed(x: Values, rows: number, columns: number): Values {
  return Array.from({ length: x.length }, (_, at) => {
    return x[at % rows * columns + Math.floor(at / rows)]!;
  });
}
