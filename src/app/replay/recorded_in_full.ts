import { isStep, type RunEvent } from "../../core/event.ts";
import { planEnds } from "../../core/plan_ends.ts";
import type { Plan } from "../training/plan.ts";
import type { PastState } from "./rewind.ts";

/**
 * Whether a log has all that is recorded of a step: a process that is killed in the middle of it leaves some
 * to the next. `path` is the live path up to there.
 */
export function recordedInFull(
  { task, config, saveAt }: Plan,
  { step, state }: PastState,
  path: readonly RunEvent[],
): boolean {
  const taken = path.filter(isStep);
  const last = taken.at(-1);
  if (last === undefined) return true; // where a run begins, nothing is due
  const events = path.slice(path.indexOf(last));
  const epochs = last.data.epoch - (taken.at(-2)?.data.epoch ?? state.origin?.epoch ?? 0);
  if (events.filter(({ type }) => type === "EpochCompleted").length < epochs) return false;
  const { every, batches } = config.evaluate;
  const evaluates = task.evaluation !== undefined && batches > 0 && every > 0;
  const evaluationDue = evaluates && (step % every === 0 || step === config.steps.max);
  if (evaluationDue && state.lastEvaluation?.step !== step) return false;
  const samplesDue = evaluationDue && task.artifacts !== undefined;
  if (samplesDue && !events.some(({ type }) => type === "SamplesTaken")) return false;
  const saveDue = planEnds(state) || saveAt(step) !== undefined;
  return !saveDue || events.some(({ type }) => /^Snapshot(Taken|Failed)$/.test(type));
}
