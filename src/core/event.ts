import type { RunConfig } from "./config.ts";
import type { Setting } from "./config_path.ts";
import type { DataIdentity } from "./data_identity.ts";
import type { Digest } from "./digest.ts";
import type { Environment } from "./environment.ts";
import type { Measures } from "./measures.ts";
import type { RunFacts } from "./run_state.ts";
import type { RunOrigin } from "./run_origin.ts";
import type { SampleFile } from "./sample_files.ts";
import type { SettingClass } from "./setting_class.ts";

/**
 * What can happen to a run, in the past tense.
 *
 * Events hold facts and digests, never tensors, and nothing that two equal trainings would not
 * share: times, hosts and sessions are in the envelope (`recorded_event.ts`).
 */
export type RunEvent =
  | RunStarted
  | StepTaken
  | StepSkipped
  | EvaluationTaken
  | SamplesTaken
  | EpochCompleted
  | SnapshotTaken
  | SnapshotFailed
  | SnapshotPruned
  | SnapshotMaterialized
  | ConfigChanged
  | CodeChanged
  | RunPaused
  | RunResumed
  | RunRewound
  | RunCompleted
  | RunFailed;

/**
 * The run began: from an initial state that its seed determines, or, where it has an `origin`, from a state
 * of another run. Always at position 0.
 */
export interface RunStarted {
  readonly type: "RunStarted";
  readonly data: {
    /** Name of the task or recipe. */
    readonly task: string;
    readonly config: RunConfig;
    readonly data: DataIdentity;
    /** The data that evaluations are made on, where there is any. */
    readonly heldOut?: DataIdentity;
    readonly environment: Environment;
    /** Digest of the manifest of the code that computes, where it is known. */
    readonly code?: Digest;
    /** Digest of the training state that the run begins with. */
    readonly state: Digest;
    readonly origin?: RunOrigin;
  };
}

/** One optimiser update was made. */
export interface StepTaken {
  readonly type: "StepTaken";
  readonly data: {
    /** Steps so far, this one included: the first is step 1. */
    readonly step: number;
    /** Position of the data cursor after this step. */
    readonly epoch: number;
    readonly index: number;
    /** Digest of the batch's contents: tells a shifted data order from a changed state. */
    readonly batch: Digest;
    /** Mean loss over the batch before the update, a float32. May be NaN or infinite. */
    readonly loss: number;
    /** Euclidean norm of the gradients before clipping, a float32. May be NaN or infinite. */
    readonly gradNorm: number;
    readonly learningRate: number;
    /** What the loss was multiplied by in this step, in mixed precision. */
    readonly lossScale?: number;
    /** Of the state after this step, where one is due. */
    readonly fingerprint?: StateFingerprint;
  };
}

/**
 * A step whose gradients were not finite at its loss scale: it used its batch and changed nothing but the
 * scale, which is halved.
 */
export interface StepSkipped {
  readonly type: "StepSkipped";
  readonly data: StepTaken["data"];
}

/** The event of a step, by what was measured in it. */
export function stepEvent(data: StepTaken["data"]): StepTaken | StepSkipped {
  const skipped = data.lossScale !== undefined && !Number.isFinite(data.gradNorm);
  return { type: skipped ? "StepSkipped" : "StepTaken", data };
}

/** Whether an event is that of a step. */
export function isStep(event: RunEvent): event is StepTaken | StepSkipped {
  return event.type === "StepTaken" || event.type === "StepSkipped";
}

/** What tells a training state from others, by the bits of its tensors (`bitSums` of each). */
export interface StateFingerprint {
  /** 128 bits in 32 hexadecimal digits, over all sums of all tensors. */
  readonly state: string;
  /** The first sum of each tensor in 8 hexadecimal digits, in sorted order of their names. */
  readonly tensors: string;
}

/** The task's held-out data was evaluated with the parameters of `step`. */
export interface EvaluationTaken {
  readonly type: "EvaluationTaken";
  readonly data: {
    readonly step: number;
    /** Mean loss over `samples` held-out samples, a float64 mean of float32 batch losses. */
    readonly loss: number;
    readonly samples: number;
    /** The same of the average of the parameters, where one is kept. */
    readonly emaLoss?: number;
    /** What else the task measured, by name; there is at least one where this is. */
    readonly measures?: Measures;
  };
}

/** The parameters of `step`, just evaluated, made files for people; all of them are durable in the store. */
export interface SamplesTaken {
  readonly type: "SamplesTaken";
  readonly data: { readonly step: number; readonly samples: readonly SampleFile[] };
}

/** Every sample of epoch `epoch` (counted from 0) was used once. */
export interface EpochCompleted {
  readonly type: "EpochCompleted";
  readonly data: { readonly step: number; readonly epoch: number };
}

/**
 * Why a snapshot was taken: because its step is due, because its evaluation is the best so far, because the
 * time since the last made it due, at the end, or because the run pauses.
 */
export type SnapshotReason = "scheduled" | "best" | "auto" | "final" | "paused";

/** A snapshot of the state at `step` is durable in the snapshot store. */
export interface SnapshotTaken {
  readonly type: "SnapshotTaken";
  readonly data: {
    readonly step: number;
    /** Digest of the manifest: the snapshot's name in the store. */
    readonly snapshot: Digest;
    /** Digest of the training state: what a recomputed state is compared with. */
    readonly state: Digest;
    readonly reason: SnapshotReason;
  };
}

/**
 * A snapshot that was due at `step` could not be stored; the training went on without it.
 *
 * It stands where SnapshotTaken would stand: no checkpoint is listed that is not there.
 */
export interface SnapshotFailed {
  readonly type: "SnapshotFailed";
  readonly data: {
    readonly step: number;
    readonly reason: SnapshotReason;
    readonly message: string;
  };
}

/** The snapshot of `step` is no longer kept. Its history is, and any step can be recomputed. */
export interface SnapshotPruned {
  readonly type: "SnapshotPruned";
  readonly data: { readonly step: number; readonly snapshot: Digest };
}

/**
 * The snapshot of an earlier step of the live branch was made by recomputation, all of it compared on the
 * way, and is kept again.
 */
export interface SnapshotMaterialized {
  readonly type: "SnapshotMaterialized";
  readonly data: {
    readonly step: number;
    readonly snapshot: Digest;
    readonly state: Digest;
    /** Events of the log up to the state's place: its last one is at `position - 1`. */
    readonly position: number;
    readonly epoch: number;
    readonly index: number;
    /** Training loss of the step; none for the step that a run begins at. */
    readonly loss?: number;
    /** Evaluation loss at the step, where there was an evaluation. */
    readonly evaluation?: number;
  };
}

/** From `step` on the run has these settings: steps up to it are as they were computed. */
export interface ConfigChanged {
  readonly type: "ConfigChanged";
  readonly data: {
    readonly step: number;
    /** The new values by path, such as "optimizer.learningRate". */
    readonly changes: Readonly<Record<string, Setting>>;
    /** Whether bits of the training depend on a change. */
    readonly class: Exclude<SettingClass, "architecture">;
  };
}

/** From `step` on the run is computed by other code, which somebody accepted. */
export interface CodeChanged {
  readonly type: "CodeChanged";
  readonly data: { readonly step: number; readonly code: Digest };
}

/** Someone asked the run to stop at `step`; it can go on from there. */
export interface RunPaused {
  readonly type: "RunPaused";
  readonly data: { readonly step: number; readonly reason: "until" | "signal" };
}

/** A paused or failed run went on from `step`. */
export interface RunResumed {
  readonly type: "RunResumed";
  readonly data: {
    readonly step: number;
    /** Present when exactness ends here: the environment that the run goes on in. */
    readonly environment?: Environment;
  };
}

/**
 * The run goes on from an earlier state of its own: that after the first `position` events of its log. What
 * followed them is an abandoned branch; nothing of it is erased.
 */
export interface RunRewound {
  readonly type: "RunRewound";
  readonly data: {
    readonly step: number;
    readonly position: number;
    /** Digest of the history up to there. */
    readonly history: Digest;
    /** What the fold of the events up to there says of the training. */
    readonly facts: RunFacts;
  };
}

/** The plan's last step was taken and its snapshot is durable. */
export interface RunCompleted {
  readonly type: "RunCompleted";
  readonly data: { readonly step: number };
}

/** The task's own code threw after `step`; the run can be resumed once that is mended. */
export interface RunFailed {
  readonly type: "RunFailed";
  readonly data: { readonly step: number; readonly message: string };
}

/**
 * Whether an event states what was trained, rather than how the work was interrupted.
 *
 * The training facts of an interrupted run and of an uninterrupted one are equal, byte for byte, where
 * those of abandoned branches are left out (`livePath`). What is left out besides marks the interruptions
 * (RunPaused, RunResumed, RunRewound, RunFailed, the snapshot that a pause takes), what depends on measured
 * time (a snapshot whose reason is "auto"), what became of the disk (SnapshotFailed, SnapshotPruned,
 * SnapshotMaterialized), and changes on which no bit depends.
 */
export function isTrainingFact(event: RunEvent): boolean {
  switch (event.type) {
    case "RunPaused":
    case "RunResumed":
    case "RunRewound":
    case "RunFailed":
    case "SnapshotFailed":
    case "SnapshotPruned":
    case "SnapshotMaterialized":
    case "CodeChanged":
      return false;
    case "ConfigChanged":
      return event.data.class === "training";
    case "SnapshotTaken":
      return event.data.reason !== "auto" && event.data.reason !== "paused";
    default:
      return true;
  }
}

/**
 * Whether an event states what was computed: the events that a snapshot's `history` is a digest of.
 *
 * Snapshots are left out, so that a history is the same whichever of them were stored.
 */
export function isComputation(event: RunEvent): boolean {
  switch (event.type) {
    case "RunStarted":
    case "StepTaken":
    case "StepSkipped":
    case "EvaluationTaken":
    case "SamplesTaken":
    case "EpochCompleted":
      return true;
    case "ConfigChanged":
      return event.data.class === "training";
    default:
      return false;
  }
}
