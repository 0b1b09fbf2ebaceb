import * as tf from "@tensorflow/tfjs";
import type { RngKey } from "../core/rng_key.ts";
import { batchToDevice } from "./device_tensor.ts";
import type { Batch, HostBatch } from "./loss.ts";
import { scoped } from "./ownership.ts";
import { withPrecision } from "./precision.ts";
import type { TrainState } from "./train_state.ts";
import { grainKey, stepGradients, type Training } from "./train_step.ts";
import { isTensor, type Scalar, type Tensor, type Tree } from "./tree.ts";

/** A step of a training that was taken, as a probe sees it. All tensors are borrowed. */
export interface ProbedStep<P extends Tree = Tree> {
  /** Its number, from 1. The learning rate and the keys of a step follow from the number before it. */
  readonly step: number;
  readonly before: TrainState<P>;
  readonly after: TrainState<P>;
  /** The grains of its batch, in order; most trainings have one a step. */
  readonly batches: readonly Batch[];
  /** The numbers of its samples in the data set, of one grain after the other. */
  readonly samples: readonly number[];
  /** The key that the loss of each grain got. */
  readonly keys: readonly RngKey[];
  readonly learningRate: number;
  /** The loss as the step computed it, in its precision: of any parameters, batch and key. */
  loss(params: P, batch: Batch, key: RngKey): Scalar;
  /**
   * The gradients of the mean loss with respect to the trained parameters as the step computed them: over
   * all grains, without the loss scale, before clipping. Computed anew at each call.
   */
  gradients(): Tree;
}

/** What a probe finds: numbers and tensors in plain objects and arrays. */
export type ProbeValues =
  | number
  | Tensor
  | readonly ProbeValues[]
  | { readonly [name: string]: ProbeValues };

/**
 * A question to a past step. Pure and synchronous: it borrows what it is given, frees nothing, and what it
 * does not return is freed for it.
 *
 * @example How much of each parameter a step changed.
 * ```ts
 * import { globalNorm, mapTree, type Probe } from "foldlog";
 * import * as tf from "foldlog/tf";
 *
 * const change: Probe = ({ before, after }) =>
 *   globalNorm(mapTree((a, b) => tf.sub(a, b!), after.params, before.params));
 * if (typeof change !== "function") throw new Error("no probe");
 * ```
 */
export type Probe<P extends Tree = Tree> = (step: ProbedStep<P>) => ProbeValues;

/** A step as it was taken: what a probe is shown of it. */
export interface TakenStep {
  readonly training: Training;
  readonly before: TrainState;
  readonly after: TrainState;
  readonly grains: readonly HostBatch[];
  readonly samples: readonly number[];
}

/**
 * What a probe finds at a step, of tensors that the caller owns: of type float32 or int32, each another one,
 * whatever the probe has given back. Borrows the step. Throws what the probe throws, and a TypeError where
 * it gives what is none of `ProbeValues`.
 */
export function takeProbe(probe: Probe, taken: TakenStep): ProbeValues {
  const { training, before, after, grains, samples } = taken;
  const { key, precision = "float32", schedule } = training;
  return scoped(() =>
    ownValues(
      "",
      probe({
        step: after.step,
        before,
        after,
        batches: grains.map(batchToDevice),
        samples,
        keys: grains.map((_, grain) => grainKey(key, before.step, grain)),
        learningRate: schedule(before.step),
        loss: (params, batch, lossKey) =>
          withPrecision(precision, () => training.loss(params, batch, lossKey)),
        gradients: () => stepGradients(training, before, grains).gradients,
      }),
    )
  );
}

/** The values with tensors of their own: what a probe gives back may be a part of the state. */
function ownValues(path: string, value: ProbeValues): ProbeValues {
  if (typeof value === "number") return value;
  if (typeof value !== "object" || value === null) return refuse(path, String(value));
  if (isTensor(value as Tree)) return ownTensor(path, value as Tensor);
  if (Array.isArray(value)) return value.map((child, i) => ownValues(`${path}[${i}]`, child));
  if (value instanceof Promise) {
    value.catch(() => undefined); // that it failed as well is of no interest
    return refuse(path, "a promise: a probe is synchronous");
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) {
    return refuse(path, `a ${prototype.constructor?.name ?? "class instance"}`);
  }
  const members = Object.entries(value).map(([name, child]) =>
    [name, ownValues(path === "" ? name : `${path}.${name}`, child)] as const
  );
  return Object.fromEntries(members);
}

function ownTensor(path: string, tensor: Tensor): Tensor {
  const { dtype } = tensor;
  if (dtype === "bool") return tf.cast(tensor, "int32");
  if (dtype === "float32" || dtype === "int32") return tf.clone(tensor);
  return refuse(path, `a tensor of type ${dtype}`);
}

function refuse(path: string, found: string): never {
  const at = path === "" ? "" : ` at ${path}`;
  throw new TypeError(
    `Expected numbers and tensors (float32, int32 or bool) in plain objects and arrays${at}, found ${found}`,
  );
}
