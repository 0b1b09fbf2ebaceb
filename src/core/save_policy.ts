import type { RunConfig } from "./config.ts";
import type { SnapshotReason } from "./event.ts";

/** When snapshots are due. Depends on the step alone, so that equal trainings save at equal steps. */
export type SavePolicy = (step: number) => SnapshotReason | undefined;

/** A snapshot every `save.every` steps, and one at the last step of the plan. */
export function savePolicy(config: Pick<RunConfig, "save" | "steps">): SavePolicy {
  const { save, steps } = config;
  return (step) => {
    if (step === steps.max) return "final";
    return save.every > 0 && step > 0 && step % save.every === 0 ? "scheduled" : undefined;
  };
}
