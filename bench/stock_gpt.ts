import * as tf from "@tensorflow/tfjs";
import type { Backend } from "../src/adapters/device/backend_choice.ts";
import type { HostTensor } from "../src/core/host_tensor.ts";
import type { TransformerSizes } from "../src/model/transformer.ts";
import { type GptProblem, LEARNING_RATE } from "./gpt_problem.ts";
import { tfjsMemory } from "./tfjs_memory.ts";
import type { Trainee } from "./trainee.ts";

type Weights = Readonly<Record<string, tf.Variable>>;

/**
 * The mini GPT as a user of tfjs writes it, trained by tf.train.adam. It needs a process of its own:
 * where foldlog has opened a device, some of the kernels are not tfjs's any more.
 */
export async function stockGpt(problem: GptProblem, backend: Backend): Promise<Trainee> {
  await start(backend);
  const { sizes, tokens, targets } = problem;
  const weights: Weights = Object.fromEntries(
    [...problem.weights].map(([name, { data, shape }]) => {
      return [name, tf.variable(tf.tensor(data, [...shape]))];
    }),
  );
  const mask = causalMask(sizes.context);
  const optimizer = tf.train.adam(LEARNING_RATE, 0.9, 0.999, 1e-8);
  const loss = (): tf.Scalar => {
    const logits = logitsOf(weights, oneHot(tokens, sizes.vocabulary), mask, sizes);
    return tf.losses.softmaxCrossEntropy(oneHot(targets, sizes.vocabulary), logits) as tf.Scalar;
  };
  const step = async () => {
    const cost = optimizer.minimize(loss, true, Object.values(weights))!;
    const [value] = await cost.data();
    cost.dispose();
    return value!;
  };
  return { name: `stock tfjs ${tf.version["tfjs"]}`, step, memory: () => tfjsMemory(step) };
}

async function start(backend: Backend): Promise<void> {
  tf.enableProdMode();
  if (backend === "wasm") await import("@tensorflow/tfjs-backend-wasm");
  if (backend === "webgpu") await import("@tensorflow/tfjs-backend-webgpu");
  if (!await tf.setBackend(backend)) throw new Error(`tfjs could not start ${backend}`);
}

/** Logits [batch * context, vocabulary] of tokens that are one-hot rows [batch * context, vocabulary]. */
function logitsOf(
  weights: Weights,
  tokens: tf.Tensor2D,
  mask: tf.Tensor2D,
  { context, layers, heads, channels }: TransformerSizes,
): tf.Tensor2D {
  const dense = (x: tf.Tensor, name: string): tf.Tensor =>
    tf.add(tf.matMul(x, weights[`${name}.weight`]!), weights[`${name}.bias`]!);
  const layerNorm = (x: tf.Tensor, name: string): tf.Tensor => {
    const { mean, variance } = tf.moments(x, -1, true);
    const normal = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
    return tf.add(tf.mul(normal, weights[`${name}.weight`]!), weights[`${name}.bias`]!);
  };
  const attention = (x: tf.Tensor): tf.Tensor => {
    const [q, k, v] = tf.split(x, 3, -1).map((part) => {
      return tf.transpose(tf.reshape(part, [-1, context, heads, channels / heads]), [0, 2, 1, 3]);
    });
    const scores = tf.mul(tf.matMul(q!, k!, false, true), 1 / Math.sqrt(channels / heads));
    const mixed = tf.matMul(tf.softmax(tf.add(scores, mask)), v!);
    return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [-1, channels]);
  };
  const rows = tf.matMul(tokens, weights["wte.weight"]! as tf.Variable<tf.Rank.R2>);
  const placed = tf.add(tf.reshape(rows, [-1, context, channels]), weights["wpe.weight"]!);
  let x: tf.Tensor = tf.reshape(placed, [-1, channels]);
  for (let layer = 0; layer < layers; layer++) {
    const at = `h.${layer}`;
    const mixed = attention(dense(layerNorm(x, `${at}.ln_1`), `${at}.attn.c_attn`));
    x = tf.add(x, dense(mixed, `${at}.attn.c_proj`));
    const hidden = gelu(dense(layerNorm(x, `${at}.ln_2`), `${at}.mlp.c_fc`));
    x = tf.add(x, dense(hidden, `${at}.mlp.c_proj`));
  }
  return tf.matMul(layerNorm(x, "ln_f"), weights["wte.weight"]!, false, true) as tf.Tensor2D;
}

function gelu(x: tf.Tensor): tf.Tensor {
  const cube = tf.mul(x, tf.mul(x, x));
  const u = tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, cube)));
  return tf.mul(tf.mul(0.5, x), tf.add(1, tf.tanh(u)));
}

/** 0 where a position may look, -1e9 at those after it. */
function causalMask(context: number): tf.Tensor2D {
  const at = (index: number) => index % context > Math.floor(index / context) ? -1e9 : 0;
  return tf.tensor2d(Float32Array.from({ length: context * context }, (_, i) => at(i)), [
    context,
    context,
  ]);
}

/**
 * One row a token: tf.gather, which would do, has no gradient on wasm. The cast is there because the
 * kernel of wasm writes integers, whatever type it is asked for.
 */
function oneHot({ data }: HostTensor, depth: number): tf.Tensor2D {
  const ids = tf.tensor1d(data as Int32Array, "int32");
  return tf.cast(tf.oneHot(ids, depth) as tf.Tensor2D, "float32");
}
