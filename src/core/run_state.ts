import type { RunConfig } from "./config.ts";
import type { DataCursor } from "./data_cursor.ts";
import type { DataIdentity } from "./data_identity.ts";
import type { Digest } from "./digest.ts";
import type { Environment } from "./environment.ts";
import type { SnapshotReason } from "./event.ts";
import type { Measures } from "./measures.ts";
import type { RunOrigin } from "./run_origin.ts";

/** Where a run is in its life. A run that died without a word is still "running" in its log. */
export type RunStatus = "absent" | "running" | "paused" | "failed" | "completed";

/** A snapshot that the log vouches for. */
export interface SnapshotRef {
  /** Position in the log of the last event up to its state: of its SnapshotTaken, unless it came later. */
  readonly position: number;
  readonly step: number;
  readonly snapshot: Digest;
  readonly state: Digest;
  readonly reason: SnapshotReason | "forked" | "materialized";
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

/** What an evaluation says of the parameters of a step. */
export interface EvaluationAt extends LossAt {
  readonly measures?: Measures;
}

/** What the events up to a step say of a training: what a rewind goes back to. */
export interface RunFacts {
  /** The settings now: RunStarted's, and what ConfigChanged changed of them. */
  readonly config?: RunConfig;
  /** Where steps are computed now: RunStarted's, or that of the last RunResumed that changed it. */
  readonly environment?: Environment;
  /** Digest of the manifest of the code that computes now, where it is known. */
  readonly code?: Digest;
  readonly cursor: DataCursor;
  /** How many of the steps were skipped; absent for none. */
  readonly skippedSteps?: number;
  readonly lastLoss?: LossAt;
  /** Exponential moving average of the training losses, those that are not finite left out. */
  readonly trainEmaLoss?: number;
  readonly lastEvaluation?: EvaluationAt;
  /** Lowest evaluation loss. */
  readonly bestEvaluation?: EvaluationAt;
  /** Evaluations since then that were no better; absent for none. */
  readonly worseEvaluations?: number;
  /** Lowest training loss. */
  readonly bestTrainLoss?: LossAt;
  /** The step whose snapshot failed last. */
  readonly failedSnapshot?: number;
}

/** What a run's events amount to: small, JSON-safe, a pure fold (`evolve`). */
export interface RunState extends RunFacts {
  readonly status: RunStatus;
  /** Events so far. */
  readonly version: number;
  readonly task?: string;
  readonly data?: DataIdentity;
  /** The data that evaluations are made on. */
  readonly heldOut?: DataIdentity;
  /** Where it begins, if it is a fork. */
  readonly origin?: RunOrigin;
  readonly step: number;
  /** Those of the live branch that are kept, by their steps. */
  readonly snapshots: readonly SnapshotRef[];
  /** Those of abandoned branches that are kept; absent for none. */
  readonly abandoned?: readonly SnapshotRef[];
  /** Other code than `code` that the log names; absent for none. */
  readonly otherCode?: readonly Digest[];
  /** The files of all samples that the log names, in whatever branch, in its order; absent for none. */
  readonly sampleFiles?: readonly Digest[];
}

/** All code that a log names, by the digests of its manifests. */
export function codeOfRun({ code, otherCode = [] }: RunState): readonly Digest[] {
  return code === undefined ? otherCode : [code, ...otherCode];
}

/** All snapshots of a run that are kept: those of the live branch, and then of those that it left. */
export function keptSnapshots({ snapshots, abandoned = [] }: RunState): readonly SnapshotRef[] {
  return [...snapshots, ...abandoned];
}

/** What tells a snapshot of a run from its others: a state may be that of two steps. */
export function snapshotName(
  { step, snapshot }: Pick<SnapshotRef, "step" | "snapshot">,
): string {
  return `${step} ${snapshot}`;
}

/** The steps of a run's live branch: those since it began, where it is a fork. */
export function ownSteps({ step, origin }: RunState): number {
  return step - (origin?.step ?? 0);
}

/** What a state says of the training alone. */
export function factsOf(state: RunState): RunFacts {
  const { status: _1, version: _2, task: _3, data: _4, heldOut: _5, ...rest } = state;
  const { origin: _6, step: _7, snapshots: _8, abandoned: _9, otherCode: _10, ...more } = rest;
  const { sampleFiles: _11, ...facts } = more;
  return facts;
}
