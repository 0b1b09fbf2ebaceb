import { logarithm } from "./logarithm";
import { exponentials, greatest, scale } from "./softmax";

/**
 * The mean of -log(softmax(logits)[target]) over `rows` rows of `n` logits; also writes the softmax. The
 * sum over rows is in float64. A target that is no class makes the mean NaN.
 */
export function crossEntropy(
  logits: usize,
  targets: usize,
  loss: usize,
  probabilities: usize,
  rows: i32,
  n: i32,
): void {
  let total: f64 = 0;
  const bytes = n << 2;
  for (let row = 0; row < rows; row++) {
    const target = load<i32>(targets + (row << 2));
    const highest = greatest(logits, bytes);
    const sum = exponentials(logits, probabilities, highest, bytes);
    const right: f32 = <u32>target < <u32>n ? load<f32>(logits + (target << 2)) - highest : NaN;
    total += logarithm(sum) - <f64>right;
    scale(probabilities, <f32>1 / sum, bytes);
    logits += bytes;
    probabilities += bytes;
  }
  store<f32>(loss, <f32>(total / <f64>rows));
}

/** (softmax - one at the target) * weight, row by row: the gradient of the logits. */
export function crossEntropyGradient(
  probabilities: usize,
  targets: usize,
  weight: f32,
  gradient: usize,
  rows: i32,
  n: i32,
): void {
  const bytes = n << 2;
  for (let row = 0; row < rows; row++) {
    memory.copy(gradient, probabilities, bytes);
    const target = load<i32>(targets + (row << 2));
    if (<u32>target < <u32>n) {
      const at = gradient + (target << 2);
      store<f32>(at, load<f32>(at) - 1);
    }
    scale(gradient, weight, bytes);
    probabilities += bytes;
    gradient += bytes;
  }
}
