import * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../core/host_tensor.ts";
import { requireInteger } from "../core/require_integer.ts";
import type { RngKey } from "../core/rng_key.ts";
import { dropout } from "../train/kernels/dropout.ts";
import { product } from "../train/kernels/product.ts";
import type { LeafPattern } from "../train/leaf_pattern.ts";
import { matchedPaths } from "../train/matched_paths.ts";
import { scoped } from "../train/ownership.ts";
import { graftTree, leafFinder, leavesOf, mapNamed, type Tree } from "../train/tree.ts";
import { drawnUniform } from "./drawn.ts";
import { affine, type Dense } from "./layers.ts";

/** What is adapted, and how strongly. */
export interface LoraOptions {
  /** Inner width of an adapter. */
  readonly rank: number;
  /** The adapters' strength: see `loraScale`. */
  readonly alpha: number;
  /** Which weights, by their paths; each pattern matches at least one. */
  readonly targets: readonly LeafPattern[];
  /** Scales by alpha / sqrt(rank), which keeps large ranks learning (Kalajdzievski, 2023). */
  readonly rslora?: boolean;
}

/** The adapter of a weight [in, out]: a [in, rank] and b [rank, out], which begins as zeros. */
export type LoraAdapter = { readonly a: tf.Tensor2D; readonly b: tf.Tensor2D };

/** What A B is multiplied by: alpha / rank (Hu et al., 2021), or alpha / sqrt(rank) for rsLoRA. */
export function loraScale(
  { rank, alpha, rslora = false }: Pick<LoraOptions, "rank" | "alpha" | "rslora">,
): number {
  return alpha / (rslora ? Math.sqrt(rank) : rank);
}

/**
 * Initial adapters of the weights of `params` that `targets` match: a tree of the same structure, with
 * `{ a, b }` in place of each target and empty branches elsewhere, so that an adapter's path is its weight's.
 *
 * A is uniform within 1 / sqrt(in), as the paper's code and PEFT draw it, by `key` folded with its path; B
 * is zeros, so that the model begins as it was. A kernel of more dimensions [h, w, in, out] is adapted as
 * a weight [h w in, out]. Borrows `params`.
 *
 * The values of a base that a run has trained are `readParams(store, run)`; `restoreTree(initMlp(...),
 * values)` makes the tree of them, in place of `initMlp(...)` beneath.
 *
 * @example Adapters are trained, the base is frozen; both are in the snapshots, the base once in a store.
 * ```ts
 * import { arraySource, classificationLoss, defineTask, foldIn, initLora, initMlp } from "foldlog";
 * import { type MlpParams, mlpLogits, type SupervisedTensors, withLora } from "foldlog";
 *
 * const sizes = { inputs: 2, hidden: [8], outputs: 3, activation: "gelu" } as const;
 * const options = { rank: 2, alpha: 4, targets: ["layers.*.weight"] };
 * const mlpLoss = classificationLoss<MlpParams>((params, x) => mlpLogits(params, x, sizes));
 *
 * export const adapted = defineTask({
 *   name: "adapted",
 *   data: arraySource("points", {
 *     inputs: { dtype: "float32", shape: [4, 2], data: Float32Array.of(0, 1, 1, 0, 1, 1, 0, 0) },
 *     targets: { dtype: "int32", shape: [4], data: Int32Array.of(0, 1, 2, 0) },
 *   }),
 *   trainable: "lora.*",
 *   init(key) {
 *     const base = initMlp(sizes, foldIn(key, "base"));
 *     return { base, lora: initLora(base, options, foldIn(key, "lora")) };
 *   },
 *   loss: ({ base, lora }, batch: SupervisedTensors) =>
 *     mlpLoss(withLora(base, lora, options), batch),
 * });
 * ```
 * @throws {TypeError} where a pattern matches nothing, or something that is no weight
 */
export function initLora(params: Tree, options: LoraOptions, key: RngKey): Tree {
  requireInteger("rank", options.rank, 1);
  const targets = targetsOf(params, options);
  return graftTree((path, { shape }) => {
    if (!targets.has(path)) return {};
    const [inputs, outputs] = matrixShape(path, shape);
    return {
      a: drawnUniform<tf.Rank.R2>(key, path, [inputs, options.rank], 1 / Math.sqrt(inputs)),
      b: tf.zeros([options.rank, outputs]),
    };
  }, params);
}

/**
 * The parameters with W + scale A B in place of each target's W, differentiable in both trees: any model
 * takes them. The other leaves are the same handles. The whole weight is made, so dropout before A is
 * out of reach: `loraDense` has it.
 *
 * @throws {TypeError} where `lora` has no adapter of a target, or one of a leaf that is none
 * @throws {RangeError} where an adapter's shape does not fit its weight
 */
export function withLora<P extends Tree>(params: P, lora: Tree, options: LoraOptions): P {
  return adapted(params, lora, options, loraScale(options));
}

/**
 * The parameters with the adapters added in, for a model that is used and no longer adapted: `withLora`
 * outside of a training. Targets are the caller's; the other leaves are those of `params`. Like it, it
 * multiplies in the precision of its scope: adapters of a training in mixed precision are merged within
 * `withPrecision("mixed_float16", ...)`.
 */
export function mergeLora<P extends Tree>(params: P, lora: Tree, options: LoraOptions): P {
  return scoped(() => adapted(params, lora, options, loraScale(options)));
}

/**
 * Takes off what `mergeLora` added. The result is the base within rounding, about 1e-7 of the larger of
 * the two terms, and its bits may differ: keep the base where it must be exact.
 */
export function unmergeLora<P extends Tree>(merged: P, lora: Tree, options: LoraOptions): P {
  return scoped(() => adapted(merged, lora, options, -loraScale(options)));
}

/**
 * A dense layer with its adapter beside it, x W + bias + scale drop(x) A B: [rows, in] to [rows, out].
 *
 * For models that call it. It has LoRA's own dropout on the adapter's input, which no change of W can
 * express, and makes no second weight: better where rows are fewer than `in`. `withLora` is for models that
 * are left as they are.
 */
export function loraDense(
  x: tf.Tensor2D,
  layer: Dense,
  { a, b }: LoraAdapter,
  scale: number,
  drop?: { readonly rate: number; readonly key: RngKey },
): tf.Tensor2D {
  const input = drop === undefined ? x : dropout(x, drop.rate, drop.key);
  return tf.add(affine(x, layer), tf.mul(product(product(input, a), b), scale));
}

function adapted<P extends Tree>(params: P, lora: Tree, options: LoraOptions, scale: number): P {
  const targets = targetsOf(params, options);
  const adapterAt = leafFinder(lora);
  requireNoOther(lora, targets);
  return mapNamed((path, weight) => {
    if (!targets.has(path)) return weight;
    const a = adapterAt(`${path}.a`);
    const b = adapterAt(`${path}.b`);
    requireFit(path, weight, a, b, options.rank);
    return tf.add(weight, tf.reshape(tf.mul(product(a, b), scale), weight.shape));
  }, params);
}

/** The paths that the patterns match. */
function targetsOf(params: Tree, { targets }: LoraOptions): ReadonlySet<string> {
  return matchedPaths("target", targets, params);
}

/** The sizes [in, out] of a weight as a matrix. */
function matrixShape(path: string, shape: readonly number[]): readonly [number, number] {
  const outputs = shape.at(-1);
  if (outputs === undefined || shape.length < 2) {
    throw new TypeError(
      `Expected targets of at least two dimensions, found "${path}" of shape [${shape}]`,
    );
  }
  return [sizeOf(shape.slice(0, -1)), outputs];
}

function requireFit(
  path: string,
  { shape }: tf.Tensor,
  a: tf.Tensor,
  b: tf.Tensor,
  rank: number,
): void {
  const [inputs, outputs] = matrixShape(path, shape);
  if (a.shape.join() === `${inputs},${rank}` && b.shape.join() === `${rank},${outputs}`) return;
  throw new RangeError(
    `Expected an adapter [${inputs},${rank}] and [${rank},${outputs}] at "${path}", ` +
      `found [${a.shape}] and [${b.shape}]`,
  );
}

function requireNoOther(lora: Tree, targets: ReadonlySet<string>): void {
  const extra = leavesOf(lora).find(([path]) => !targets.has(path.replace(/\.[ab]$/, "")));
  if (extra === undefined) return;
  throw new TypeError(`Expected adapters of the targets only, found one at "${extra[0]}"`);
}
