import { sumOfLanes } from "./lanes";
import { LOWER_LEFT, LOWER_RESULT, product, UPPER_LEFT } from "./product";
import { exponentials, greatest, scale } from "./softmax";

/**
 * softmax(Q K' / sqrt(width)) over the positions up to each, of every head of every sequence: writes
 * [batch, heads, context, context], 0 above the diagonals. `qkv` is [batch * context, 3 * heads * width].
 */
export function attentionWeights(
  qkv: usize,
  weights: usize,
  batch: i32,
  context: i32,
  heads: i32,
  width: i32,
  factor: f32,
  work: usize,
): void {
  const channels = heads * width;
  const row = 3 * channels;
  for (let sequence = 0; sequence < batch; sequence++) {
    for (let head = 0; head < heads; head++) {
      const query = qkv + ((sequence * context * row + head * width) << 2);
      const key = query + (channels << 2);
      product(query, row, 1, key, 1, row, weights, context, context, context, width, 0, LOWER_RESULT, work);
      for (let position = 0; position < context; position++) {
        const seen = (position + 1) << 2;
        scale(weights, factor, seen);
        const sum = exponentials(weights, weights, greatest(weights, seen), seen);
        scale(weights, <f32>1 / sum, seen);
        memory.fill(weights + seen, 0, (context << 2) - seen);
        weights += context << 2;
      }
    }
  }
}

/**
 * The gradient of `qkv` through `attentionWeights`, for the gradient `dWeights` of its result: of queries
 * and keys; that of the values is 0. `work` has room for one head's weights after what `product` needs.
 */
export function attentionWeightsGradient(
  dWeights: usize,
  weights: usize,
  qkv: usize,
  dQkv: usize,
  batch: i32,
  context: i32,
  heads: i32,
  width: i32,
  factor: f32,
  work: usize,
  scores: usize,
): void {
  const channels = heads * width;
  const row = 3 * channels;
  memory.fill(dQkv, 0, <usize>(batch * context * row) << 2);
  const one = <usize>(context * context) << 2;
  for (let sequence = 0; sequence < batch; sequence++) {
    for (let head = 0; head < heads; head++) {
      const at = (sequence * context * row + head * width) << 2;
      const query = qkv + at;
      const key = query + (channels << 2);
      softmaxGradient(dWeights, weights, scores, context, factor);
      product(scores, context, 1, key, row, 1, dQkv + at, row, context, width, context, 0, LOWER_LEFT, work);
      const dKey = dQkv + at + (channels << 2);
      product(scores, 1, context, query, row, 1, dKey, row, context, width, context, 0, UPPER_LEFT, work);
      dWeights += one;
      weights += one;
    }
  }
}

/** The values of the positions, mixed by `weights`, heads side by side: [batch * context, heads * width]. */
export function mixValues(
  weights: usize,
  qkv: usize,
  mixed: usize,
  batch: i32,
  context: i32,
  heads: i32,
  width: i32,
  work: usize,
): void {
  const channels = heads * width;
  const row = 3 * channels;
  for (let sequence = 0; sequence < batch; sequence++) {
    for (let head = 0; head < heads; head++) {
      const value = qkv + ((sequence * context * row + 2 * channels + head * width) << 2);
      const out = mixed + ((sequence * context * channels + head * width) << 2);
      product(weights, context, 1, value, row, 1, out, channels, context, width, context, 0, LOWER_LEFT, work);
      weights += <usize>(context * context) << 2;
    }
  }
}

/** The gradients of `mixValues`: of the weights (0 above the diagonals), and of `qkv`: of its values. */
export function mixValuesGradient(
  dMixed: usize,
  weights: usize,
  qkv: usize,
  dWeights: usize,
  dQkv: usize,
  batch: i32,
  context: i32,
  heads: i32,
  width: i32,
  work: usize,
): void {
  const channels = heads * width;
  const row = 3 * channels;
  memory.fill(dQkv, 0, <usize>(batch * context * row) << 2);
  for (let sequence = 0; sequence < batch; sequence++) {
    for (let head = 0; head < heads; head++) {
      const at = (sequence * context * row + 2 * channels + head * width) << 2;
      const dy = dMixed + ((sequence * context * channels + head * width) << 2);
      product(dy, channels, 1, qkv + at, 1, row, dWeights, context, context, context, width, 0, LOWER_RESULT, work);
      product(weights, 1, context, dy, channels, 1, dQkv + at, row, context, width, context, 0, UPPER_LEFT, work);
      for (let position = 0; position < context; position++) {
        const seen = (position + 1) << 2;
        memory.fill(dWeights + seen, 0, (context << 2) - seen);
        dWeights += context << 2;
      }
      weights += <usize>(context * context) << 2;
    }
  }
}

/** weights * (dWeights - sum(dWeights * weights)) * factor of each row, 0 above the diagonal. */
function softmaxGradient(
  dWeights: usize,
  weights: usize,
  scores: usize,
  context: i32,
  factor: f32,
): void {
  const bytes = context << 2;
  for (let position = 0; position < context; position++) {
    const seen = (position + 1) << 2;
    const whole = seen & -16;
    let sums = f32x4.splat(0);
    for (let at = 0; at < whole; at += 16) {
      sums = f32x4.add(sums, f32x4.mul(v128.load(dWeights + at), v128.load(weights + at)));
    }
    let sum = sumOfLanes(sums);
    for (let at = whole; at < seen; at += 4) sum += load<f32>(dWeights + at) * load<f32>(weights + at);
    sums = f32x4.splat(sum);
    const factors = f32x4.splat(factor);
    for (let at = 0; at < whole; at += 16) {
      const slope = f32x4.sub(v128.load(dWeights + at), sums);
      v128.store(scores + at, f32x4.mul(f32x4.mul(v128.load(weights + at), slope), factors));
    }
    for (let at = whole; at < seen; at += 4) {
      store<f32>(scores + at, load<f32>(weights + at) * (load<f32>(dWeights + at) - sum) * factor);
    }
    memory.fill(scores + seen, 0, bytes - seen);
    dWeights += bytes;
    weights += bytes;
    scores += bytes;
  }
}
