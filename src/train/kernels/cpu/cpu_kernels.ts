import { bitSums } from "../../../core/bit_sums.ts";
import { bits } from "../../../core/rng_key.ts";
import { productShape } from "../product.ts";
import type { AttributesOf } from "../kernel.ts";
import type { KernelName, KERNELS } from "../registry.ts";
import { sizeOf } from "../../../core/host_tensor.ts";

import {
  attentionWeights,
  attentionWeightsGradient,
  mixValues,
  mixValuesGradient,
} from "./cpu_attention.ts";
import { addPatches, patches, upsample, upsampleGradient } from "./cpu_images.ts";
import type { CpuKernel } from "./register_cpu_kernels.ts";

/** foldlog's kernels, written down as plainly as can be: what the other backends are measured by. */
export const cpuKernels: {
  readonly [Name in KernelName]: CpuKernel<AttributesOf<(typeof KERNELS)[Name]>>;
} = {
  attentionWeights,
  attentionWeightsGradient,
  mixValues,
  mixValuesGradient,
  addPatches,
  patches,
  upsample,
  upsampleGradient,

  product([a, b, bias], [c], sides) {
    const { batch, rows, columns, inner } = productShape(a!.shape, b!.shape, sides);
    const aSize = a!.shape.length > 2 ? rows * inner : 0;
    const bSize = b!.shape.length > 2 ? inner * columns : 0;
    const [aRow, aColumn] = sides.transposeA ? [1, rows] : [inner, 1];
    const [bRow, bColumn] = sides.transposeB ? [1, inner] : [columns, 1];
    for (let item = 0, at = 0; item < sizeOf(batch); item++) {
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++, at++) {
          let sum = bias?.data[j] ?? 0;
          for (let k = 0; k < inner; k++) {
            const left = a!.data[item * aSize + i * aRow + k * aColumn]!;
            sum += left * b!.data[item * bSize + k * bRow + j * bColumn]!;
          }
          c!.data[at] = sum;
        }
      }
    }
  },

  sumRows([x], [sums]) {
    const n = sizeOf(sums!.shape);
    const totals = new Float64Array(n);
    x!.data.forEach((value, at) => totals[at % n]! += value);
    sums!.data.set(totals);
  },

  sumSquares([x], [sum]) {
    sum!.data[0] = x!.data.reduce((total, value) => total + value * value, 0);
  },

  takeRows([table, ids], [rows]) {
    const [count, n] = table!.shape as [number, number];
    ids!.data.forEach((id, index) => {
      const isRow = id >= 0 && id < count;
      for (let j = 0; j < n; j++) {
        rows!.data[index * n + j] = isRow ? table!.data[id * n + j]! : NaN;
      }
    });
  },

  addRows([x, ids], [table]) {
    const [rows, n] = table!.shape as [number, number];
    const totals = new Float64Array(rows * n);
    ids!.data.forEach((id, index) => {
      if (id < 0 || id >= rows) return;
      for (let j = 0; j < n; j++) totals[id * n + j]! += x!.data[index * n + j]!;
    });
    table!.data.set(totals);
  },

  fingerprint(inputs, [sums]) {
    inputs.forEach(({ data }, index) => {
      sums!.data.set(bitSums(wordsOf(data)), 4 * index);
    });
  },

  gelu([x], [y]) {
    x!.data.forEach((value, at) => y!.data[at] = value * gateOf(value));
  },

  geluGradient([dy, x], [dx]) {
    x!.data.forEach((value, at) => {
      const gate = gateOf(value);
      const slope = gate + value * gate * (1 - gate) * SCALE * (1 + 3 * CUBIC * value * value);
      dx!.data[at] = dy!.data[at]! * slope;
    });
  },

  half([x], [y]) {
    y!.data.set(x!.data.map(Math.f16round));
    const words = wordsOf(y!.data);
    y!.data.forEach((value, at) => {
      if (Number.isNaN(value)) words[at] = NAN_BITS; // which NaN a number becomes is up to the runtime
    });
  },

  choose([measure, next, previous], [chosen]) {
    const isFinite = Number.isFinite(measure!.data[0]);
    // As words: a float that is read and written may lose the bits of a NaN.
    wordsOf(chosen!.data).set(wordsOf((isFinite ? next! : previous!).data));
  },

  layerNorm([x, weight, bias], [y, mean, inverse], { epsilon }) {
    const [rows, n] = x!.shape as [number, number];
    for (let row = 0; row < rows; row++) {
      const values = x!.data.subarray(row * n, (row + 1) * n);
      const average = values.reduce((sum, value) => sum + value, 0) / n;
      const variance = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / n;
      const scale = 1 / Math.sqrt(variance + epsilon);
      mean!.data[row] = average;
      inverse!.data[row] = scale;
      values.forEach((value, j) => {
        y!.data[row * n + j] = (value - average) * scale * weight!.data[j]! + bias!.data[j]!;
      });
    }
  },

  layerNormGradient([dy, x, weight, mean, inverse], [dx, dWeight, dBias]) {
    const [rows, n] = x!.shape as [number, number];
    const weightSums = new Float64Array(n);
    const biasSums = new Float64Array(n);
    for (let row = 0; row < rows; row++) {
      const scale = inverse!.data[row]!;
      const normal = (j: number) => (x!.data[row * n + j]! - mean!.data[row]!) * scale;
      let sum = 0;
      let along = 0;
      for (let j = 0; j < n; j++) {
        const gradient = dy!.data[row * n + j]!;
        weightSums[j]! += gradient * normal(j);
        biasSums[j]! += gradient;
        sum += gradient * weight!.data[j]! / n;
        along += gradient * weight!.data[j]! * normal(j) / n;
      }
      for (let j = 0; j < n; j++) {
        const scaled = dy!.data[row * n + j]! * weight!.data[j]!;
        dx!.data[row * n + j] = scale * (scaled - sum - normal(j) * along);
      }
    }
    dWeight!.data.set(weightSums);
    dBias!.data.set(biasSums);
  },

  crossEntropy([logits, targets], [loss, softmax]) {
    const [rows, n] = logits!.shape as [number, number];
    let total = 0;
    for (let row = 0; row < rows; row++) {
      const values = logits!.data.subarray(row * n, (row + 1) * n);
      const highest = values.reduce((most, value) => Math.max(most, value), -Infinity);
      const sum = values.reduce((sum, value) => sum + Math.exp(value - highest), 0);
      total += Math.log(sum) - ((values[targets!.data[row]!] ?? NaN) - highest);
      values.forEach((value, j) => {
        softmax!.data[row * n + j] = Math.exp(value - highest) / sum;
      });
    }
    loss!.data[0] = total / rows;
  },

  crossEntropyGradient([dy, softmax, targets], [gradient]) {
    const [rows, n] = softmax!.shape as [number, number];
    const weight = dy!.data[0]! / rows;
    softmax!.data.forEach((share, at) => {
      const right = at % n === targets!.data[Math.floor(at / n)]! ? 1 : 0;
      gradient!.data[at] = (share - right) * weight;
    });
  },

  dropout([x], [y], { hi, lo, threshold, kept }) {
    const words = bits({ hi, lo }, x!.data.length);
    x!.data.forEach((value, at) => y!.data[at] = value * (words[at]! >= threshold ? kept : 0));
  },

  adamUpdate([gradient, mu, nu, param], [update, nextMu, nextNu], numbers) {
    const { beta1, beta2, epsilon, correction1, correction2, decay, learningRate } = numbers;
    gradient!.data.forEach((g, at) => {
      const first = beta1 * mu!.data[at]! + (1 - beta1) * g;
      const second = beta2 * nu!.data[at]! + (1 - beta2) * g * g;
      const step = first / correction1 / (Math.sqrt(second / correction2) + epsilon);
      nextMu!.data[at] = first;
      nextNu!.data[at] = second;
      update!.data[at] = -learningRate * (step + decay * param!.data[at]!);
    });
  },
};

const SCALE = 2 * Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** Bits of the NaN that stands for all in results that are to be the same on every backend. */
const NAN_BITS = 0x7fc00000;

/** The bits of elements of four bytes, in place. */
function wordsOf({ buffer, byteOffset, length }: Float32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}

function gateOf(x: number): number {
  return 1 / (1 + Math.exp(-SCALE * (x + CUBIC * x ** 3)));
}
