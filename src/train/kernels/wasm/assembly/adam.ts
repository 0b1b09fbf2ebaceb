/**
 * One update of Adam with decoupled weight decay (Loshchilov and Hutter, 2019, algorithm 2), of `count`
 * floats: writes the new moments, and what is to be added to the parameter.
 */
export function adam(
  gradient: usize,
  mu: usize,
  nu: usize,
  param: usize,
  update: usize,
  nextMu: usize,
  nextNu: usize,
  count: i32,
  beta1: f32,
  oneMinusBeta1: f32,
  beta2: f32,
  oneMinusBeta2: f32,
  correction1: f32,
  correction2: f32,
  epsilon: f32,
  decay: f32,
  rate: f32,
): void {
  const bytes = count << 2;
  const whole = bytes & -16;
  for (let at = 0; at < whole; at += 16) {
    const g = v128.load(gradient + at);
    const first = f32x4.add(
      f32x4.mul(v128.load(mu + at), f32x4.splat(beta1)),
      f32x4.mul(g, f32x4.splat(oneMinusBeta1)),
    );
    const second = f32x4.add(
      f32x4.mul(v128.load(nu + at), f32x4.splat(beta2)),
      f32x4.mul(f32x4.mul(g, g), f32x4.splat(oneMinusBeta2)),
    );
    v128.store(nextMu + at, first);
    v128.store(nextNu + at, second);
    const root = f32x4.sqrt(f32x4.div(second, f32x4.splat(correction2)));
    const step = f32x4.div(
      f32x4.div(first, f32x4.splat(correction1)),
      f32x4.add(root, f32x4.splat(epsilon)),
    );
    const decayed = f32x4.add(step, f32x4.mul(v128.load(param + at), f32x4.splat(decay)));
    v128.store(update + at, f32x4.mul(decayed, f32x4.splat(-rate)));
  }
  for (let at = whole; at < bytes; at += 4) {
    const g = load<f32>(gradient + at);
    const first = load<f32>(mu + at) * beta1 + g * oneMinusBeta1;
    const second = load<f32>(nu + at) * beta2 + g * g * oneMinusBeta2;
    store<f32>(nextMu + at, first);
    store<f32>(nextNu + at, second);
    const step = first / correction1 / (sqrt<f32>(second / correction2) + epsilon);
    store<f32>(update + at, (step + load<f32>(param + at) * decay) * -rate);
  }
}
