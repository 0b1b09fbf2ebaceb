import { sumOfLanes } from "./lanes";

/**
 * y = (x - mean) / sqrt(variance + epsilon) * weight + bias for each of `rows` rows of `n` floats. Also
 * writes each row's mean and inverse deviation.
 */
export function layerNorm(
  x: usize,
  weight: usize,
  bias: usize,
  y: usize,
  mean: usize,
  inverse: usize,
  rows: i32,
  n: i32,
  epsilon: f32,
): void {
  const bytes = n << 2;
  const whole = bytes & -16;
  for (let row = 0; row < rows; row++) {
    const average = sumOfRow(x, whole, bytes) / <f32>n;
    const variance = sumOfSquaresAround(x, average, whole, bytes) / <f32>n;
    const scale: f32 = <f32>1 / sqrt<f32>(variance + epsilon);
    const averages = f32x4.splat(average);
    const scales = f32x4.splat(scale);
    for (let at = 0; at < whole; at += 16) {
      const normal = f32x4.mul(f32x4.sub(v128.load(x + at), averages), scales);
      v128.store(
        y + at,
        f32x4.add(f32x4.mul(normal, v128.load(weight + at)), v128.load(bias + at)),
      );
    }
    for (let at = whole; at < bytes; at += 4) {
      const normal = (load<f32>(x + at) - average) * scale;
      store<f32>(y + at, normal * load<f32>(weight + at) + load<f32>(bias + at));
    }
    store<f32>(mean + (row << 2), average);
    store<f32>(inverse + (row << 2), scale);
    x += bytes;
    y += bytes;
  }
}

/**
 * The gradients of `layerNorm` for the incoming gradient `dy`: of x, and of weight and bias, which are
 * added up row by row.
 */
export function layerNormGradient(
  dy: usize,
  x: usize,
  weight: usize,
  mean: usize,
  inverse: usize,
  dx: usize,
  dWeight: usize,
  dBias: usize,
  rows: i32,
  n: i32,
): void {
  const bytes = n << 2;
  const whole = bytes & -16;
  memory.fill(dWeight, 0, bytes);
  memory.fill(dBias, 0, bytes);
  for (let row = 0; row < rows; row++) {
    const average = load<f32>(mean + (row << 2));
    const scale = load<f32>(inverse + (row << 2));
    const averages = f32x4.splat(average);
    const scales = f32x4.splat(scale);
    let sums = f32x4.splat(0);
    let alongs = f32x4.splat(0);
    for (let at = 0; at < whole; at += 16) {
      const gradient = v128.load(dy + at);
      const normal = f32x4.mul(f32x4.sub(v128.load(x + at), averages), scales);
      const scaled = f32x4.mul(gradient, v128.load(weight + at));
      sums = f32x4.add(sums, scaled);
      alongs = f32x4.add(alongs, f32x4.mul(scaled, normal));
      v128.store(dWeight + at, f32x4.add(v128.load(dWeight + at), f32x4.mul(gradient, normal)));
      v128.store(dBias + at, f32x4.add(v128.load(dBias + at), gradient));
    }
    let sum = sumOfLanes(sums);
    let along = sumOfLanes(alongs);
    for (let at = whole; at < bytes; at += 4) {
      const gradient = load<f32>(dy + at);
      const normal = (load<f32>(x + at) - average) * scale;
      const scaled = gradient * load<f32>(weight + at);
      sum += scaled;
      along += scaled * normal;
      store<f32>(dWeight + at, load<f32>(dWeight + at) + gradient * normal);
      store<f32>(dBias + at, load<f32>(dBias + at) + gradient);
    }
    sum /= <f32>n;
    along /= <f32>n;
    sums = f32x4.splat(sum);
    alongs = f32x4.splat(along);
    for (let at = 0; at < whole; at += 16) {
      const normal = f32x4.mul(f32x4.sub(v128.load(x + at), averages), scales);
      const scaled = f32x4.mul(v128.load(dy + at), v128.load(weight + at));
      const rest = f32x4.sub(f32x4.sub(scaled, sums), f32x4.mul(normal, alongs));
      v128.store(dx + at, f32x4.mul(scales, rest));
    }
    for (let at = whole; at < bytes; at += 4) {
      const normal = (load<f32>(x + at) - average) * scale;
      const scaled = load<f32>(dy + at) * load<f32>(weight + at);
      store<f32>(dx + at, scale * (scaled - sum - normal * along));
    }
    dy += bytes;
    x += bytes;
    dx += bytes;
  }
}

function sumOfRow(x: usize, whole: i32, bytes: i32): f32 {
  let sums = f32x4.splat(0);
  for (let at = 0; at < whole; at += 16) sums = f32x4.add(sums, v128.load(x + at));
  let sum = sumOfLanes(sums);
  for (let at = whole; at < bytes; at += 4) sum += load<f32>(x + at);
  return sum;
}

function sumOfSquaresAround(x: usize, average: f32, whole: i32, bytes: i32): f32 {
  const averages = f32x4.splat(average);
  let sums = f32x4.splat(0);
  for (let at = 0; at < whole; at += 16) {
    const centred = f32x4.sub(v128.load(x + at), averages);
    sums = f32x4.add(sums, f32x4.mul(centred, centred));
  }
  let sum = sumOfLanes(sums);
  for (let at = whole; at < bytes; at += 4) {
    const centred = load<f32>(x + at) - average;
    sum += centred * centred;
  }
  return sum;
}
