import type { AttentionShape } from "../attention.ts";
import type { CpuKernel } from "./register_cpu_kernels.ts";

/** softmax(Q K' / sqrt(width)) over the positions up to each. */
export const attentionWeights: CpuKernel<AttentionShape> = ([qkv], [weights], shape) => {
  const channels = qkv!.shape[1]! / 3;
  const width = channels / shape.heads;
  eachPosition(shape, (sequence, head, position, at) => {
    const query = rowOf(shape, sequence, position) * 3 * channels + head * width;
    const scores = Array.from({ length: position + 1 }, (_, other) => {
      const key = rowOf(shape, sequence, other) * 3 * channels + channels + head * width;
      return dot(qkv!.data, query, qkv!.data, key, width) / Math.sqrt(width);
    });
    const highest = Math.max(...scores);
    const sum = scores.reduce((sum, score) => sum + Math.exp(score - highest), 0);
    scores.forEach((score, other) => {
      weights!.data[at + other] = Math.exp(score - highest) / sum;
    });
  });
};

/** The gradient of queries and keys. */
export const attentionWeightsGradient: CpuKernel<AttentionShape> = (inputs, [dQkv], shape) => {
  const [dWeights, weights, qkv] = inputs;
  const channels = qkv!.shape[1]! / 3;
  const width = channels / shape.heads;
  const totals = new Float64Array(dQkv!.data.length);
  eachPosition(shape, (sequence, head, position, at) => {
    const query = rowOf(shape, sequence, position) * 3 * channels + head * width;
    const along = dot(dWeights!.data, at, weights!.data, at, position + 1);
    for (let other = 0; other <= position; other++) {
      const key = rowOf(shape, sequence, other) * 3 * channels + channels + head * width;
      const slope = weights!.data[at + other]! * (dWeights!.data[at + other]! - along);
      for (let i = 0; i < width; i++) {
        totals[query + i]! += slope / Math.sqrt(width) * qkv!.data[key + i]!;
        totals[key + i]! += slope / Math.sqrt(width) * qkv!.data[query + i]!;
      }
    }
  });
  dQkv!.data.set(totals);
};

/** The values mixed by the weights. */
export const mixValues: CpuKernel<AttentionShape> = ([weights, qkv], [mixed], shape) => {
  const channels = qkv!.shape[1]! / 3;
  const width = channels / shape.heads;
  const totals = new Float64Array(mixed!.data.length);
  eachPosition(shape, (sequence, head, position, at) => {
    const out = rowOf(shape, sequence, position) * channels + head * width;
    for (let other = 0; other <= position; other++) {
      const value = rowOf(shape, sequence, other) * 3 * channels + 2 * channels + head * width;
      for (let i = 0; i < width; i++) {
        totals[out + i]! += weights!.data[at + other]! * qkv!.data[value + i]!;
      }
    }
  });
  mixed!.data.set(totals);
};

/** The gradients of the weights and of the values. */
export const mixValuesGradient: CpuKernel<AttentionShape> = (inputs, [dWeights, dQkv], shape) => {
  const [dMixed, weights, qkv] = inputs;
  const channels = qkv!.shape[1]! / 3;
  const width = channels / shape.heads;
  const totals = new Float64Array(dQkv!.data.length);
  eachPosition(shape, (sequence, head, position, at) => {
    const dy = rowOf(shape, sequence, position) * channels + head * width;
    for (let other = 0; other <= position; other++) {
      const value = rowOf(shape, sequence, other) * 3 * channels + 2 * channels + head * width;
      dWeights!.data[at + other] = dot(dMixed!.data, dy, qkv!.data, value, width);
      for (let i = 0; i < width; i++) {
        totals[value + i]! += weights!.data[at + other]! * dMixed!.data[dy + i]!;
      }
    }
  });
  dQkv!.data.set(totals);
};

/** Visits each position of each head of each sequence, and where its row of the weights begins. */
function eachPosition(
  { batch, context, heads }: AttentionShape,
  visit: (sequence: number, head: number, position: number, at: number) => void,
): void {
  let at = 0;
  for (let sequence = 0; sequence < batch; sequence++) {
    for (let head = 0; head < heads; head++) {
      for (let position = 0; position < context; position++, at += context) {
        visit(sequence, head, position, at);
      }
    }
  }
}

function rowOf({ context }: AttentionShape, sequence: number, position: number): number {
  return sequence * context + position;
}

function dot(a: Float32Array, at: number, b: Float32Array, bt: number, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += a[at + i]! * b[bt + i]!;
  return sum;
}
