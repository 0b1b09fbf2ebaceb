import type { RunConfig } from "./config.ts";
import type { Digest } from "./digest.ts";
import type { Environment } from "./environment.ts";
import { fileProgress } from "./file_progress.ts";
import type { Measures } from "./measures.ts";
import { ownSteps, type RunState, type RunStatus } from "./run_state.ts";

/** What a person wants to know of a run at a glance. */
export interface RunSummary {
  readonly status: RunStatus;
  readonly recipe: string | null;
  readonly step: number;
  readonly maxSteps: number | null;
  readonly epoch: number;
  /** Files of the data that are wholly used in this epoch; null where they are not read in order. */
  readonly filesDone: number | null;
  /** Files that the data consists of; null where it is none. */
  readonly files: number | null;
  /** How many of the steps were skipped: their gradients were not finite at their loss scale. */
  readonly skippedSteps: number;
  readonly backend: string | null;
  readonly lastLoss: number | null;
  /** Moving average of the training losses. */
  readonly trainEmaLoss: number | null;
  /** Lowest evaluation loss, or lowest training loss where nothing was evaluated. */
  readonly bestLoss: number | null;
  readonly bestStep: number | null;
  /** What the last evaluation measured beside the loss. */
  readonly measures: Measures | null;
  /** Steps of the live branch whose losses are recorded: a fork has none of before it began. */
  readonly history: number;
  readonly snapshots: readonly { readonly step: number; readonly id: Digest }[];
  readonly config: RunConfig | null;
  readonly environment: Environment | null;
  /** Digest of the manifest of the code that computes now. */
  readonly code: Digest | null;
}

/** The summary of a state that `evolve` made: `runSummary(project(runState, events))`. */
export function runSummary(state: RunState): RunSummary {
  const { bestEvaluation, bestTrainLoss } = state;
  const best = Number.isNaN(bestEvaluation?.loss) ? bestTrainLoss : bestEvaluation ?? bestTrainLoss;
  return {
    status: state.status,
    recipe: state.task ?? null,
    step: state.step,
    maxSteps: state.config?.steps.max ?? null,
    epoch: state.cursor.epoch,
    filesDone: fileProgress(state)?.done ?? null,
    files: state.data?.files?.length ?? null,
    skippedSteps: state.skippedSteps ?? 0,
    backend: state.environment?.backend ?? null,
    lastLoss: state.lastLoss?.loss ?? null,
    trainEmaLoss: state.trainEmaLoss ?? null,
    bestLoss: best?.loss ?? null,
    bestStep: best?.step ?? null,
    measures: state.lastEvaluation?.measures ?? null,
    history: ownSteps(state),
    snapshots: state.snapshots.map(({ step, snapshot }) => ({ step, id: snapshot })),
    config: state.config ?? null,
    environment: state.environment ?? null,
    code: state.code ?? null,
  };
}
