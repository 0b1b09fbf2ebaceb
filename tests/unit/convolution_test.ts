import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { bytesOf, type HostTensor, sizeOf } from "../../src/core/host_tensor.ts";
import { foldIn, key, normal } from "../../src/core/rng_key.ts";
import type { Device } from "../../src/ports/device.ts";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import type { Precision } from "../../src/core/config.ts";
import { convolution } from "../../src/train/kernels/convolution.ts";
import { half } from "../../src/train/kernels/half.ts";
import { upsample } from "../../src/train/kernels/upsample.ts";
import { scoped } from "../../src/train/ownership.ts";
import { withPrecision } from "../../src/train/precision.ts";
import { backendTest, openTestDevice } from "../support/backends.ts";

// Larger sizes than the float64 forms of kernels_test.ts have, held against the cpu backend, which adds
// in float64: runs of channels in fours and not, blocks of the products, several workgroups.

type Shape = [number, number, number, number];

interface Case {
  readonly x: Shape;
  readonly kernel: Shape;
  readonly stride: number;
}

const CASES: readonly Case[] = [
  { x: [3, 17, 13, 12], kernel: [3, 3, 12, 20], stride: 1 },
  { x: [2, 17, 12, 7], kernel: [3, 3, 7, 5], stride: 2 },
  { x: [2, 16, 16, 3], kernel: [5, 5, 3, 16], stride: 2 },
  { x: [4, 9, 10, 33], kernel: [1, 1, 33, 18], stride: 1 },
  { x: [1, 30, 31, 6], kernel: [2, 4, 6, 8], stride: 3 },
];

for (const backend of ["wasm", "webgpu"] as const) {
  for (const one of CASES) {
    const claim =
      `a convolution of [${one.x}] with [${one.kernel}] at stride ${one.stride} and its ` +
      "gradients are the cpu's, and the same bits after other work";
    backendTest(backend, claim, async () => {
      const expected = await convolved(one, await openTestDevice("cpu"));
      const device = await openTestDevice(backend);
      const found = await convolved(one, device);
      await convolved(CASES[one === CASES[0] ? 1 : 0]!, device);
      const again = await convolved(one, device);
      found.forEach((tensor, index) => {
        assertNear(tensor, expected[index]!, `result ${index}`);
        assert.deepEqual(bytesOf(again[index]!), bytesOf(tensor));
      });
    });
  }

  backendTest(backend, "upsample() and its gradient are the cpu's", async () => {
    for (const shape of [[3, 9, 14, 12], [2, 30, 7, 5]] as Shape[]) {
      const expected = await upsampled(shape, await openTestDevice("cpu"));
      const found = await upsampled(shape, await openTestDevice(backend));
      found.forEach((tensor, index) => assertNear(tensor, expected[index]!, `result ${index}`));
    }
  });
}

backendTest(
  "cpu",
  "convolution() stands where tfjs's does, with explicit padding",
  async (device) => {
    for (const { x, kernel, stride } of CASES.slice(0, 3)) {
      const pad = Math.floor(kernel[0] / 2);
      const results = scoped(() => {
        const [image, weights] = [drawn(x, 1), drawn(kernel, 2)];
        const bias = tf.zeros<tf.Rank.R1>([kernel[3]]);
        const padded = tf.pad(image, [[0, 0], [pad, pad], [pad, pad], [0, 0]]);
        return [
          convolution(image, weights, bias, { stride }),
          tf.conv2d(padded as tf.Tensor4D, weights, stride, "valid"),
        ];
      });
      const [found, expected] = await readAll(device, results);
      assertNear(found!, expected!, `stride ${stride}`);
    }
  },
);

backendTest(
  "cpu",
  "convolution() makes its patches again for the gradient, and keeps none",
  async () => {
    const { x, kernel, stride } = CASES[1]!;
    const window = [drawn(x, 1), drawn(kernel, 2), tf.zeros<tf.Rank.R1>([kernel[3]])] as const;
    const ofGradient = await kernelsOf(() => gradients(...window, stride, drawn([2, 9, 6, 5], 3)));
    assert.deepEqual(ofGradient, [
      "Patches",
      "Product",
      "Product",
      "AddPatches",
      "Patches",
      "Product",
      "SumRows",
    ]);
    const { x: pixels, kernel: small } = CASES[3]!;
    const one = [drawn(pixels, 1), drawn(small, 2), tf.zeros<tf.Rank.R1>([small[3]])] as const;
    assert.deepEqual(await kernelsOf(() => [convolution(...one)]), ["Product"]); // 1 x 1, no patches
    tf.dispose([...window, ...one]);
  },
);

backendTest(
  "cpu",
  "a chain of convolutions holds what one of them sees, and not that of all",
  async () => {
    const x = drawn([2, 16, 16, 4], 1);
    const kernel = drawn([5, 5, 4, 4], 2);
    const bias = tf.zeros<tf.Rank.R1>([4]);
    const chain = (...[x, kernel]: tf.Tensor[]) => {
      const convolve = (y: tf.Tensor4D) => convolution(y, kernel as tf.Tensor4D, bias);
      return convolve(convolve(convolve(convolve(x as tf.Tensor4D))));
    };
    const { peakBytes } = await tf.profile(() => {
      tf.dispose(scoped(() => tf.grads(chain)([x, kernel], tf.ones(x.shape))));
    });
    const seen = 25 * 4 * x.size;
    assert.ok(peakBytes > seen && peakBytes < 2 * seen, `${peakBytes / seen}`);
    tf.dispose([x, kernel, bias]);
  },
);

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "a convolution in mixed precision is itself in float32 of what is rounded, gradients too",
    async (device) => {
      const { x, kernel, stride } = CASES[1]!;
      const results = scoped(() => {
        const operands = [drawn(x, 1), drawn(kernel, 2), drawn([2, 9, 6, 5], 3)] as const;
        const rounded = [half(operands[0]), half(operands[1]), half(operands[2])] as const;
        const bias = tf.tensor1d(normal(key(4), 5));
        // The value and the gradients of x and kernel; these are computed when the scope has ended.
        const computed = (precision: Precision, [x, kernel, dy]: typeof operands) => {
          const convolve = (...[x, kernel]: tf.Tensor[]) =>
            withPrecision(
              precision,
              () => convolution(x as tf.Tensor4D, kernel as tf.Tensor4D, bias, { stride }),
            );
          return [convolve(x, kernel), ...tf.grads(convolve)([x, kernel], dy)];
        };
        return [
          ...computed("mixed_float16", operands),
          ...computed("float32", rounded),
          ...computed("float32", operands),
        ];
      });
      const read = (await readAll(device, results)).map(bytesOf);
      assert.deepEqual(read.slice(0, 3), read.slice(3, 6));
      for (const index of [0, 1, 2]) assert.notDeepEqual(read[index], read[6 + index]);
    },
  );
}

/** The value, and the gradients of image, kernel and bias under random weights of it. */
async function convolved({ x, kernel, stride }: Case, device: Device) {
  return await readAll(
    device,
    scoped(() => {
      const inputs = [
        drawn(x, 1),
        drawn(kernel, 2),
        tf.tensor1d(normal(key(3), kernel[3])),
      ] as const;
      const value = convolution(...inputs, { stride });
      return [value, ...gradients(...inputs, stride, drawn(value.shape, 4))];
    }),
  );
}

function gradients(
  x: tf.Tensor4D,
  kernel: tf.Tensor4D,
  bias: tf.Tensor1D,
  stride: number,
  dy: tf.Tensor4D,
): tf.Tensor[] {
  const convolve = (...[x, kernel, bias]: tf.Tensor[]) =>
    convolution(x as tf.Tensor4D, kernel as tf.Tensor4D, bias as tf.Tensor1D, { stride });
  return tf.grads(convolve)([x, kernel, bias], dy);
}

async function upsampled([items, height, width, channels]: Shape, device: Device) {
  return await readAll(
    device,
    scoped(() => {
      const x = drawn([items, height, width, channels], 1);
      const dy = drawn([items, 2 * height, 2 * width, channels], 2);
      return [upsample(x), tf.grad((x) => upsample(x as tf.Tensor4D))(x, dy)];
    }),
  );
}

/** The kernels of foldlog's own that a computation runs, in order. */
async function kernelsOf(compute: () => tf.Tensor[]): Promise<readonly string[]> {
  const { kernels } = await tf.profile(() => {
    tf.dispose(scoped(compute));
  });
  return kernels.filter(({ name }) => name.startsWith("foldlog.")).map(({ name }) => name.slice(8));
}

function drawn(shape: Shape, seed: number): tf.Tensor4D {
  return tf.tensor4d(normal(foldIn(key(seed), shape.join()), sizeOf(shape)), shape);
}

async function readAll(device: Device, tensors: tf.Tensor[]): Promise<readonly HostTensor[]> {
  const read = await Promise.all(tensors.map((tensor) => device.read(tensor)));
  tf.dispose(tensors);
  return read;
}

/** Of one shape, and within 1e-5 of the largest element. */
function assertNear(found: HostTensor, expected: HostTensor, what: string): void {
  assert.deepEqual(found.shape, expected.shape, what);
  const largest = [...expected.data].reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  found.data.forEach((value, index) => {
    const off = Math.abs(value - expected.data[index]!);
    assert.ok(off <= 1e-5 * largest, `${what} [${index}]: ${value}, not ${expected.data[index]}`);
  });
}
