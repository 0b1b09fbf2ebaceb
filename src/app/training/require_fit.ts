import type { RunId } from "../../core/run_id.ts";
import type { SettingChange } from "../../core/setting_class.ts";
import { fail } from "../../ports/attempt.ts";
import { release } from "../../train/ownership.ts";
import { tensorsOf, type TrainState } from "../../train/train_state.ts";
import type { RunError } from "../errors/errors.ts";
import { leafForms } from "./leaf_forms.ts";
import { initialStateOf, type Plan } from "./plan.ts";

/**
 * Fails with ConfigDiffers unless a training of this plan can go on from `state`, which is borrowed: its
 * tensors have the paths, shapes and types that the plan's own have.
 */
export function requireFit(
  run: RunId,
  plan: Plan,
  state: TrainState,
  changes: readonly SettingChange[],
): void {
  const template = initialStateOf(plan);
  try {
    const [expected, found] = [template, state].map((one) => leafForms(tensorsOf(one)).join("\n"));
    if (expected === found) return;
  } finally {
    release(tensorsOf(template));
  }
  const fixed = changes.map((change) => ({ ...change, class: "architecture" as const }));
  fail({ type: "ConfigDiffers", run, changes: fixed } satisfies RunError);
}
