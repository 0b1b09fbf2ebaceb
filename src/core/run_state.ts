import type { RunConfig } from "./config.ts";
import type { DataCursor } from "./data_cursor.ts";
import type { DataIdentity } from "./data_identity.ts";
import type { Digest } from "./digest.ts";
import type { Environment } from "./environment.ts";
import type { SnapshotReason } from "./event.ts";

/** Where a run is in its life. A run that died without a word is still "running" in its log. */
export type RunStatus = "absent" | "running" | "paused" | "failed" | "completed";

/** A snapshot that the log vouches for. */
export interface SnapshotRef {
  /** Position of its SnapshotTaken in the log. */
  readonly position: number;
  readonly step: number;
  readonly snapshot: Digest;
  readonly state: Digest;
  readonly reason: SnapshotReason;
  /** The data cursor at `step`. */
  readonly cursor: DataCursor;
  /** Training loss of its step. */
  readonly loss?: number;
  /** Evaluation loss at its step, where there was an evaluation. */
  readonly evaluation?: number;
}

/** A loss and the step it belongs to. */
export interface LossAt {
  readonly step: number;
  readonly loss: number;
}

/** What a run's events amount to: small, JSON-safe, a pure fold (`evolve`). */
export interface RunState {
  readonly status: RunStatus;
  /** Events so far. */
  readonly version: number;
  readonly task?: string;
  readonly config?: RunConfig;
  readonly data?: DataIdentity;
  /** Where steps are computed now: RunStarted's, or that of the last RunResumed that changed it. */
  readonly environment?: Environment;
  readonly step: number;
  readonly cursor: DataCursor;
  /** How many of the steps were skipped; absent for none. */
  readonly skippedSteps?: number;
  readonly lastLoss?: LossAt;
  /** Exponential moving average of the training losses, those that are not finite left out. */
  readonly trainEmaLoss?: number;
  readonly lastEvaluation?: LossAt;
  /** Lowest evaluation loss. */
  readonly bestEvaluation?: LossAt;
  /** Evaluations since then that were no better; absent for none. */
  readonly worseEvaluations?: number;
  /** Lowest training loss. */
  readonly bestTrainLoss?: LossAt;
  /** The step whose snapshot failed last. */
  readonly failedSnapshot?: number;
  /** Those that are kept, in the order in which they were taken. */
  readonly snapshots: readonly SnapshotRef[];
}
