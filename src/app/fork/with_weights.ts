import type { RngKey } from "../../core/rng_key.ts";
import { fail } from "../../ports/attempt.ts";
import { release } from "../../train/ownership.ts";
import type { TrainState } from "../../train/train_state.ts";
import { mapTree, type Tree } from "../../train/tree.ts";
import type { RunError } from "../errors/errors.ts";
import { leafForms } from "../training/leaf_forms.ts";
import { initialStateOf, type Plan } from "../training/plan.ts";

/**
 * The state at step 0 of a plan with the parameters of `state`, which is borrowed. The caller owns the
 * result. Fails with WeightsMisfit where the plan's parameters have other paths, types or shapes.
 */
export function withWeights(plan: Plan, { params }: TrainState): TrainState {
  const init = (key: RngKey): Tree => {
    const template = plan.task.init(key);
    const [expected, actual] = [leafForms(template), leafForms(params)];
    release(template);
    const differs = expected.find((leaf) => !actual.includes(leaf)) ??
      actual.find((leaf) => !expected.includes(leaf));
    if (differs !== undefined) {
      fail({ type: "WeightsMisfit", leaf: differs } satisfies RunError);
    }
    return mapTree((leaf) => leaf.clone(), params);
  };
  return initialStateOf({ ...plan, task: { ...plan.task, init } });
}
