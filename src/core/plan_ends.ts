import type { RunState } from "./run_state.ts";

/**
 * Whether a run has done what its plan asks for: all of its steps, or as many evaluations in a row as
 * `evaluate.patience` says that were no better than the best before them, the last of them at this step.
 */
export function planEnds(
  { config, step, lastEvaluation, worseEvaluations = 0 }: RunState,
): boolean {
  if (config === undefined) return false;
  const { patience } = config.evaluate;
  const givesUp = patience > 0 && worseEvaluations >= patience;
  return step === config.steps.max || (givesUp && lastEvaluation?.step === step);
}
