import {
  defaultDevice,
  type Device,
  init,
  jit,
  nn,
  numpy as np,
  tree,
  valueAndGrad,
} from "@jax-js/jax";
import type { HostTensor } from "../src/core/host_tensor.ts";
import type { TransformerSizes } from "../src/model/transformer.ts";
import { type GptProblem, LEARNING_RATE } from "./gpt_problem.ts";
import type { Trainee } from "./trainee.ts";

/** By names with dots; a function that is passed one owns its arrays, as everywhere in jax-js. */
type Weights = Record<string, np.Array>;

type Adam = { weights: Weights; mu: Weights; nu: Weights };

/** The mini GPT by jax-js: loss, gradients and Adam in one jitted function. */
export async function jaxGpt(problem: GptProblem, device: Device): Promise<Trainee> {
  const { sizes } = problem;
  const started = await init(device);
  if (!started.includes(device)) throw new Error(`jax-js could not start ${device}`);
  defaultDevice(device);
  const tokens = arrayOf(problem.tokens);
  const targets = arrayOf(problem.targets);
  const weights = Object.fromEntries([...problem.weights].map(([name, w]) => [name, arrayOf(w)]));
  const zeros = () => tree.map((leaf: np.Array) => np.zerosLike(leaf.ref), weights) as Weights;
  let adam: Adam = { weights, mu: zeros(), nu: zeros() };
  let steps = 0;

  const compiled = jit((adam: Adam, correction1: np.Array, correction2: np.Array) => {
    const [loss, gradients] = valueAndGrad(lossOf)(tree.ref(adam.weights), tokens.ref, targets.ref);
    return { loss, adam: updated(adam, gradients, correction1, correction2) };
  });
  const lossOf = (weights: Weights, tokens: np.Array, targets: np.Array): np.Array => {
    const chosen = nn.oneHot(targets.reshape([-1]), sizes.vocabulary);
    const logits = logitsOf(weights, tokens, sizes, device);
    return nn.logSoftmax(logits).mul(chosen).sum(-1).mean().neg();
  };
  const step = async () => {
    steps++;
    const corrections = [1 - 0.9 ** steps, 1 - 0.999 ** steps].map((value) => np.array(value));
    const next = compiled(adam, corrections[0]!, corrections[1]!);
    adam = next.adam;
    const [value] = await next.loss.data();
    return value!;
  };
  return { name: "jax-js 0.1.25", step };
}

/** Logits [batch * context, vocabulary]. Owns the weights and the tokens. */
function logitsOf(
  weights: Weights,
  tokens: np.Array,
  { vocabulary, context, layers, heads, channels }: TransformerSizes,
  device: Device,
): np.Array {
  const take = (name: string): np.Array => weights[name]!;
  const dense = (x: np.Array, name: string) =>
    np.matmul(x, take(`${name}.weight`)).add(take(`${name}.bias`));
  const layerNorm = (x: np.Array, name: string) =>
    nn.standardize(x).mul(take(`${name}.weight`)).add(take(`${name}.bias`));
  const attention = (x: np.Array) => {
    const [q, k, v] = np.split(x, 3, -1)
      .map((part) => part.reshape([-1, context, heads, channels / heads]));
    return nn.dotProductAttention(q!, k!, v!, { isCausal: true }).reshape([-1, context, channels]);
  };
  const wte = take("wte.weight");
  let x = embedded(wte.ref, tokens, vocabulary, device).add(take("wpe.weight"));
  for (let layer = 0; layer < layers; layer++) {
    const at = `h.${layer}`;
    const mixed = attention(dense(layerNorm(x.ref, `${at}.ln_1`), `${at}.attn.c_attn`));
    x = x.add(dense(mixed, `${at}.attn.c_proj`));
    const hidden = nn.gelu(dense(layerNorm(x.ref, `${at}.ln_2`), `${at}.mlp.c_fc`));
    x = x.add(dense(hidden, `${at}.mlp.c_proj`));
  }
  return np.matmul(layerNorm(x, "ln_f"), wte.transpose()).reshape([-1, vocabulary]);
}

/** Adding the rows up again in the gradient of `take` needs a shader that Deno does not compile. */
function embedded(wte: np.Array, tokens: np.Array, vocabulary: number, device: Device): np.Array {
  return device === "webgpu"
    ? np.matmul(nn.oneHot(tokens, vocabulary), wte)
    : np.take(wte, tokens, 0);
}

/** One update of Adam. Owns all of its arguments. */
function updated(
  { weights, mu, nu }: Adam,
  gradients: Weights,
  correction1: np.Array,
  correction2: np.Array,
): Adam {
  const next: Adam = { weights: {}, mu: {}, nu: {} };
  for (const name of Object.keys(weights)) {
    const gradient = gradients[name]!;
    const m = mu[name]!.mul(0.9).add(gradient.ref.mul(0.1));
    const v = nu[name]!.mul(0.999).add(np.square(gradient).mul(0.001));
    next.mu[name] = m.ref;
    next.nu[name] = v.ref;
    const deviation = np.sqrt(v.div(correction2.ref)).add(1e-8);
    const change = m.div(correction1.ref).div(deviation).mul(LEARNING_RATE);
    next.weights[name] = weights[name]!.sub(change);
  }
  correction1.dispose();
  correction2.dispose();
  return next;
}

function arrayOf({ data, shape, dtype }: HostTensor): np.Array {
  return np.array(data as Float32Array<ArrayBuffer>, { dtype: np[dtype] }).reshape([...shape]);
}
