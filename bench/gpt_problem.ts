import * as E from "fp-ts/Either.js";
import { openDevice } from "../src/adapters/device/tfjs_backend.ts";
import { orThrow } from "../src/app/errors/or_throw.ts";
import {
  decodeSafetensors,
  describeSafetensorsError,
  encodeSafetensors,
} from "../src/codec/safetensors.ts";
import type { HostTensor } from "../src/core/host_tensor.ts";
import { bits, foldIn, key } from "../src/core/rng_key.ts";
import { initTransformer, type TransformerSizes } from "../src/model/transformer.ts";
import { release } from "../src/train/ownership.ts";
import { leavesOf } from "../src/train/tree.ts";

/** Where a training starts, and the one batch that every step is made of. */
export interface GptProblem {
  readonly sizes: TransformerSizes;
  /** By GPT-2's names of them, "h.0.ln_1.weight"; weights are [in, out]. */
  readonly weights: ReadonlyMap<string, HostTensor>;
  /** [batch, context] int32, as `targets`. */
  readonly tokens: HostTensor;
  readonly targets: HostTensor;
}

/** The mini GPT that steps are measured on, and the sequences of a step. */
export const MINI_GPT: TransformerSizes = {
  vocabulary: 256,
  context: 64,
  layers: 2,
  heads: 4,
  channels: 64,
  dropout: 0,
};
export const MINI_BATCH = 8;

/** Of every contender's Adam; beta1, beta2 and epsilon are 0.9, 0.999 and 1e-8, and nothing decays. */
export const LEARNING_RATE = 1e-3;

/** A problem of these sizes, the same at every call. Opens the cpu backend to draw the weights. */
export async function gptProblem(sizes: TransformerSizes, batch: number): Promise<GptProblem> {
  const root = key(1);
  const device = await orThrow(openDevice("cpu"));
  const params = initTransformer(sizes, foldIn(root, "weights"));
  const weights = new Map<string, HostTensor>();
  for (const [name, leaf] of leavesOf(params)) weights.set(name, await device.read(leaf));
  release(params);
  const drawn = (name: string): HostTensor => ({
    dtype: "int32",
    shape: [batch, sizes.context],
    data: Int32Array.from(
      bits(foldIn(root, name), batch * sizes.context),
      (word) => word % sizes.vocabulary,
    ),
  });
  return { sizes, weights, tokens: drawn("tokens"), targets: drawn("targets") };
}

/** Writes a problem as one safetensors file: tensors, and the sizes as JSON in the metadata. */
export async function writeProblem(path: string, problem: GptProblem): Promise<void> {
  const { sizes, weights, tokens, targets } = problem;
  const tensors = new Map([...weights, ["tokens", tokens], ["targets", targets]]);
  await Deno.writeFile(path, encodeSafetensors(tensors, { sizes: JSON.stringify(sizes) }));
}

/** Reads what `writeProblem` wrote. */
export async function readProblem(path: string): Promise<GptProblem> {
  const file = decodeSafetensors(await Deno.readFile(path));
  if (E.isLeft(file)) throw new Error(describeSafetensorsError(file.left));
  const { metadata, tensors } = file.right;
  const { tokens, targets, ...weights } = Object.fromEntries(tensors);
  return {
    sizes: JSON.parse(metadata["sizes"]!),
    weights: new Map(Object.entries(weights)),
    tokens: tokens!,
    targets: targets!,
  };
}
