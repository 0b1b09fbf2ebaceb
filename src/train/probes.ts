import * as tf from "@tensorflow/tfjs";
import { globalNorm } from "./clip.ts";
import type { ProbedStep, ProbeValues } from "./probe.ts";
import { leavesOf, type Tensor, type Tree } from "./tree.ts";

/**
 * The norm of the step's gradients, before clipping: of all together, which the log has as `gradNorm`, and
 * of each parameter by its path.
 */
export function gradientNorms({ gradients }: ProbedStep): ProbeValues {
  const found = gradients();
  return { all: globalNorm(found), leaves: norms(found) };
}

/** The norm of each parameter after the step, by its path, and of all together. */
export function weightNorms({ after }: ProbedStep): ProbeValues {
  return { all: globalNorm(after.params), leaves: norms(after.params) };
}

/**
 * The loss of each sample of the step, with the parameters before it, and the samples' numbers: which of
 * them made a loss spike. Each is a batch of its own with the key of its grain; where the loss draws random
 * numbers, a sample does not get the very ones that it had in its batch.
 */
export function perSampleLosses({ before, batches, keys, samples, loss }: ProbedStep): ProbeValues {
  const losses = batches.flatMap((batch, grain) => {
    const count = Object.values(batch)[0]?.shape[0] ?? 0;
    return Array.from({ length: count }, (_, sample) => {
      const alone = Object.entries(batch).map(([name, tensor]) => [name, row(tensor, sample)]);
      return loss(before.params, Object.fromEntries(alone), keys[grain]!);
    });
  });
  return { samples, losses: tf.stack(losses) };
}

function norms(tree: Tree): ProbeValues {
  return Object.fromEntries(leavesOf(tree).map(([path, leaf]) => [path, globalNorm(leaf)]));
}

/** One sample, as a batch of one. */
function row(tensor: Tensor, sample: number): Tensor {
  const rest = tensor.shape.slice(1);
  return tf.slice(tensor, [sample, ...rest.map(() => 0)], [1, ...rest]);
}
