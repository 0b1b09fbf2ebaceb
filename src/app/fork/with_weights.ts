import * as E from "fp-ts/Either.js";
import type { RngKey } from "../../core/rng_key.ts";
import type { Snapshot, TensorGroup } from "../../core/snapshot.ts";
import { fail } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import { release } from "../../train/ownership.ts";
import { restoreTree } from "../../train/restore.ts";
import { tensorsOf, type TrainState } from "../../train/train_state.ts";
import type { Tree } from "../../train/tree.ts";
import type { RunError } from "../errors/errors.ts";
import { initialStateOf, type Plan } from "../training/plan.ts";
import { snapshotOf } from "../training/state_snapshot.ts";

/** Parameters to begin with. */
export interface Weights {
  /** Whose they are, in words. */
  readonly from: string;
  /** By path, in host memory; borrowed. */
  readonly tensors: TensorGroup;
  /** The branch of the parameters that they are, such as "base"; all of the parameters unless given. */
  readonly into?: string;
}

/** As a snapshot, `withWeights`: what a run begins with. `about` is what else the snapshot says. */
export async function snapshotWith(
  { device }: RunEnv,
  plan: Plan,
  weights: Weights,
  about: Pick<Snapshot, "task" | "cursor" | "history">,
): Promise<Snapshot> {
  const state = withWeights(plan, weights);
  try {
    return await snapshotOf(device, state, about);
  } finally {
    release(tensorsOf(state));
  }
}

/**
 * The state at step 0 of a plan with given weights in place of those that its task draws, all of them or a
 * branch. The caller owns the result. Fails with WeightsMisfit where the parameters there have other
 * paths, types or shapes.
 */
function withWeights(plan: Plan, weights: Weights): TrainState {
  const init = (key: RngKey): Tree => replaced(plan.task.init(key), weights);
  return initialStateOf({ ...plan, task: { ...plan.task, init } });
}

function replaced(params: Tree, { from, tensors, into }: Weights): Tree {
  const branch = into === undefined ? params : branchOf(params, into);
  const restored = branch === undefined
    ? E.left(`it has no branch "${into}" of parameters that weights could go into`)
    : restoreTree(branch, tensors);
  if (E.isLeft(restored)) {
    release(params);
    return fail({ type: "WeightsMisfit", from, reason: restored.left } satisfies RunError);
  }
  release(branch!);
  return into === undefined ? restored.right : { ...params as Branches, [into]: restored.right };
}

type Branches = Readonly<Record<string, Tree>>;

function branchOf(params: Tree, name: string): Tree | undefined {
  return Object.hasOwn(params, name) ? (params as Branches)[name] : undefined;
}
