import type { AdamNumbers } from "../adam_update.ts";
import type { DROPOUT } from "../dropout.ts";
import type { Attributes, AttributesOf } from "../kernel.ts";
import { type Elementwise, forEachElement } from "./elementwise.ts";
import { elementsOf } from "./elements.ts";
import { sizeOf } from "../../../core/host_tensor.ts";

import type { WebGpuKernel } from "./register_webgpu_kernels.ts";

/** x sigmoid(2u). */
export const gelu: WebGpuKernel<Attributes> = ({ backend }, [x], [y]) => {
  forEachElement(backend, GELU, { x, y });
};

/** dy times the derivative of gelu at x. */
export const geluGradient: WebGpuKernel<Attributes> = ({ backend }, [dy, x], [dx]) => {
  forEachElement(backend, GELU_GRADIENT, { dy, x, dx });
};

/** One update of Adam. */
export const adamUpdate: WebGpuKernel<AdamNumbers> = ({ backend }, inputs, results, numbers) => {
  const [gradient, mu, nu, param] = inputs;
  const [update, nextMu, nextNu] = results;
  const { beta1, beta2 } = numbers;
  const tensors = { gradient, mu, nu, param, update, nextMu, nextNu };
  const rest = { rest1: 1 - beta1, rest2: 1 - beta2 }; // rounded once, from float64
  forEachElement(backend, ADAM_UPDATE, { ...tensors, ...numbers, ...rest });
};

/** Each element times `kept` or 0, by the random words of a key. */
export const dropout: WebGpuKernel<AttributesOf<typeof DROPOUT>> = (
  { backend },
  [x],
  [y],
  { hi, lo, threshold, kept },
) => {
  const { type } = elementsOf(sizeOf(x!.shape));
  // A rate of 1 is a threshold beyond all words.
  const all = threshold >= 2 ** 32 ? 1 : 0;
  const limit = all === 1 ? 0 : threshold;
  forEachElement(backend, DROPOUTS[type], { x, y, hi, lo, threshold: limit, all, kept });
};

const GATE = `
const SCALE = 1.5957691216057308f; // 2 sqrt(2 / pi)
const CUBIC = 0.044715f;
fn gate(x: T) -> T { return 1f / (1f + exp(-SCALE * (x + CUBIC * x * x * x))); }
`;

const GELU: Elementwise = {
  name: "foldlog.Gelu",
  reads: ["x"],
  writes: ["y"],
  uniforms: {},
  source: `${GATE}
fn element(at: u32) { y[at] = x[at] * gate(x[at]); }`,
};

const GELU_GRADIENT: Elementwise = {
  name: "foldlog.GeluGradient",
  reads: ["dy", "x"],
  writes: ["dx"],
  uniforms: {},
  source: `${GATE}
fn element(at: u32) {
  let value = x[at];
  let open = gate(value);
  let change = value * open * (1f - open) * SCALE * (1f + 3f * CUBIC * value * value);
  dx[at] = dy[at] * (open + change);
}`,
};

const ADAM_UPDATE: Elementwise = {
  name: "foldlog.AdamUpdate",
  reads: ["gradient", "mu", "nu", "param"],
  writes: ["update", "nextMu", "nextNu"],
  uniforms: {
    beta1: "f32",
    rest1: "f32",
    beta2: "f32",
    rest2: "f32",
    epsilon: "f32",
    correction1: "f32",
    correction2: "f32",
    decay: "f32",
    learningRate: "f32",
  },
  source: `
fn element(at: u32) {
  let g = gradient[at];
  let first = u.beta1 * mu[at] + u.rest1 * g;
  let second = u.beta2 * nu[at] + u.rest2 * g * g;
  let step = first / u.correction1 / (sqrt(second / u.correction2) + u.epsilon);
  nextMu[at] = first;
  nextNu[at] = second;
  update[at] = -u.learningRate * (step + u.decay * param[at]);
}`,
};

/**
 * Words 2b and 2b + 1 of `bits` in src/core/rng_key.ts: block b of Threefry 2x32-20, whose rotations and
 * parity are those of the host's.
 */
const WORDS = `
fn rotated(y: u32, by: u32) -> u32 { return (y << by) | (y >> (32u - by)); }
fn mixed(before: vec2u, a: u32, b: u32, c: u32, d: u32) -> vec2u {
  var x = before.x;
  var y = before.y;
  x += y; y = rotated(y, a) ^ x;
  x += y; y = rotated(y, b) ^ x;
  x += y; y = rotated(y, c) ^ x;
  x += y; y = rotated(y, d) ^ x;
  return vec2u(x, y);
}
fn words(block: u32) -> vec2u {
  let k0 = u.hi;
  let k1 = u.lo;
  let k2 = 0x1bd11bdau ^ k0 ^ k1;
  var w = vec2u(block + k0, k1);
  w = mixed(w, 13u, 15u, 26u, 6u) + vec2u(k1, k2 + 1u);
  w = mixed(w, 17u, 29u, 16u, 24u) + vec2u(k2, k0 + 2u);
  w = mixed(w, 13u, 15u, 26u, 6u) + vec2u(k0, k1 + 3u);
  w = mixed(w, 17u, 29u, 16u, 24u) + vec2u(k1, k2 + 4u);
  return mixed(w, 13u, 15u, 26u, 6u) + vec2u(k2, k0 + 5u);
}
`;

const DROPOUTS = {
  vec4f: dropoutOf("vec4u(words(2u * at), words(2u * at + 1u))"),
  f32: dropoutOf("words(at / 2u)[at % 2u]"),
};

/** Dropout where `drawn` are the words of the elements at `at`. */
function dropoutOf(drawn: string): Elementwise {
  return {
    name: "foldlog.Dropout",
    reads: ["x"],
    writes: ["y"],
    uniforms: { hi: "u32", lo: "u32", threshold: "u32", all: "u32", kept: "f32" },
    source: `${WORDS}
fn element(at: u32) {
  let stays = ${drawn} >= Columns(u.threshold);
  y[at] = x[at] * select(T(0f), T(select(u.kept, 0f, u.all == 1u)), stays);
}`,
  };
}
