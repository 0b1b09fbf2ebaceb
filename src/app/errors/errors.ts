import type { SettingError } from "../../core/config_path.ts";
import type { CodeDifference } from "../../core/code_manifest.ts";
import type { DataIdentity } from "../../core/data_identity.ts";
import type { DecideError } from "../../core/decide.ts";
import type { Digest } from "../../core/digest.ts";
import type { EnvironmentChange } from "../../core/environment.ts";
import type { RunEvent } from "../../core/event.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunOrigin } from "../../core/run_origin.ts";
import type { SettingChange } from "../../core/setting_class.ts";
import type { CodeUnreadable } from "../../ports/code_unreadable.ts";
import type { DataFileError } from "../../ports/data_file.ts";
import type { BackendUnavailable } from "../../ports/device.ts";
import type { LogError } from "../../ports/event_log.ts";
import type { LineFileError } from "../../ports/line_file.ts";
import type { SnapshotError } from "../../ports/snapshot_store.ts";
import type { SourceError } from "../../ports/source_store.ts";

/** Why a run could not be trained, resumed or verified. */
export type RunError =
  | LogError
  | SnapshotError
  | DecideError
  | SettingError
  | BackendUnavailable
  | Divergence
  | { readonly type: "RunMissing"; readonly run: RunId; readonly near: readonly RunId[] }
  | { readonly type: "RunExists"; readonly run: RunId; readonly step: number }
  | {
    readonly type: "TaskDiffers";
    readonly run: RunId;
    readonly expected: string;
    readonly actual: string;
  }
  | {
    readonly type: "DataDiffers";
    readonly run: RunId;
    readonly expected: DataIdentity;
    readonly actual: DataIdentity;
  }
  | {
    /** The data that evaluations are made on. */
    readonly type: "HeldOutDiffers";
    readonly run: RunId;
    readonly expected: DataIdentity;
    /** Absent where there is none any more. */
    readonly actual?: DataIdentity;
  }
  | CodeDiffers
  | CodeUnreadable
  | SourceError
  | { readonly type: "CodeUnrecorded"; readonly run: RunId }
  | {
    /** A code manifest of a newer format. */
    readonly type: "NewerCode";
    readonly digest: Digest;
    readonly found: number;
    readonly known: number;
  }
  | {
    /** Code that a log names and that cannot be read: its files must not be collected. */
    readonly type: "CodeUnknown";
    /** Absent where it is the code of an archived run. */
    readonly run?: RunId;
    readonly because: RunError;
  }
  | {
    /** Settings that cannot change, or that nobody may change without saying so. */
    readonly type: "ConfigDiffers";
    readonly run: RunId;
    readonly changes: readonly SettingChange[];
  }
  | {
    /** Steps that were computed in another environment would have to be recomputed in this one. */
    readonly type: "ComputedElsewhere";
    readonly run: RunId;
    readonly from: number;
    readonly to: number;
    readonly backend: string;
  }
  | {
    /** Samples of a fork's data, by their forms, that are not as those of its parent's. */
    readonly type: "DataMisfit";
    readonly name: string;
    readonly expected: string;
    readonly actual: string;
  }
  | {
    /** Places of the parent's order of the data are to be left out of a fork that has another order. */
    readonly type: "OrderDiffers";
  }
  | {
    /** A batch that is to be skipped in a fork was used before the fork. */
    readonly type: "BatchUsed";
    readonly step: number;
    readonly fork: number;
  }
  | {
    /** A sample that is to be left out, of a data set that has `samples` others. */
    readonly type: "NoSuchSample";
    readonly found: number;
    readonly samples: number;
  }
  | {
    /** A parameter that only one of two models has. */
    readonly type: "WeightsMisfit";
    /** Whose weights they are. */
    readonly from: string;
    readonly reason: string;
  }
  | {
    /** Weights are wanted of a step of which no snapshot is kept. */
    readonly type: "NoWeights";
    readonly run: RunId;
    readonly step: number;
    /** The steps of which one is. */
    readonly kept: readonly number[];
  }
  | {
    /** A branch of a run by its number, of which it has left fewer. */
    readonly type: "NoBranch";
    readonly run: RunId;
    readonly branch: number;
    readonly branches: number;
  }
  | { readonly type: "NoTask"; readonly message: string }
  | {
    /** A place that a run does not have. */
    readonly type: "NoPlace";
    readonly run: RunId;
    readonly at: string;
    readonly reason: string;
    /** The names of its checkpoints, and those among them that may have been meant, where that is known. */
    readonly checkpoints?: readonly string[];
    readonly near?: readonly string[];
  }
  | {
    /** The state that a run begins with, which is that of another or has the weights of a file. */
    readonly type: "OriginMissing";
    readonly origin: RunOrigin;
  }
  | { readonly type: "StateDiffers"; readonly step: number; readonly reason: string }
  | {
    /** A log or a view that cannot be read: what it needs must not be collected. */
    readonly type: "SnapshotsUnknown";
    readonly because: LogError | SnapshotError;
  }
  | {
    /** A snapshot that is needed and cannot be read: what belongs to it must not be collected. */
    readonly type: "FilesUnknown";
    /** Absent where it is a snapshot of an archived run. */
    readonly run?: RunId;
    readonly step: number;
    readonly because: Extract<SnapshotError, { type: "SnapshotDamaged" | "NewerSnapshot" }>;
  }
  | {
    /** A prune that stopped on its way: the log says that these snapshots are pruned, no more is done. */
    readonly type: "PruneUnfinished";
    readonly run: RunId;
    /** Empty where the log could not be told. */
    readonly steps: readonly number[];
    readonly because: RunError;
  }
  | {
    readonly type: "StepPassed";
    readonly run: RunId;
    readonly until: number;
    readonly step: number;
  }
  | {
    /** Steps are asked for that the run does not have. */
    readonly type: "StepsOutside";
    readonly run: RunId;
    readonly from: number;
    readonly to: number;
    /** The step of the state that it begins with, and its last. */
    readonly first: number;
    readonly head: number;
  }
  | {
    /** The export of a module is to be a task, or make one, and does not. */
    readonly type: "TaskUnusable";
    readonly module: string;
    readonly export: string;
    readonly reason: string;
  }
  | {
    /** A worker threw or ended while it recomputed steps. */
    readonly type: "WorkerFailed";
    readonly run: RunId;
    readonly from: number;
    readonly to: number;
    readonly reason: string;
  }
  | {
    /** A step that the live branch of a run does not have. */
    readonly type: "NoSuchStep";
    readonly run: RunId;
    readonly step: number;
    /** The steps that it has. */
    readonly from: number;
    readonly to: number;
  }
  | {
    /** A state is asked for of which no snapshot can be read. */
    readonly type: "NoSuchSnapshot";
    readonly run: RunId;
    readonly step: number;
    /** Steps that could be compared: those of which both runs keep a snapshot. */
    readonly steps: readonly number[];
  }
  | {
    /** Snapshots are to be spaced by measured time, and the environment measures none. */
    readonly type: "StopwatchMissing";
    readonly maxReplaySeconds: number;
  }
  | DeviceMemoryFull
  | { readonly type: "TaskFailed"; readonly step: number; readonly message: string }
  | {
    /** A probe threw at a step, or gave what cannot be written. */
    readonly type: "ProbeFailed";
    readonly step: number;
    readonly message: string;
  }
  | DataFileError
  | LineFileError;

/** The device had no memory for a tensor. Sizes are in bytes. */
export interface DeviceMemoryFull {
  readonly type: "DeviceMemoryFull";
  /** Steps that were taken before. */
  readonly step: number;
  readonly device: string;
  /** What was asked for, what tensors took then, and all that the device can have. */
  readonly asked: number;
  readonly used: number;
  readonly limit: number;
}

/** The code that a run was computed with is not the code that is here. */
export interface CodeDiffers {
  readonly type: "CodeDiffers";
  readonly run: RunId;
  readonly expected: Digest;
  readonly actual: Digest;
  readonly difference?: CodeDifference;
  /** Why the difference cannot be told, where it is not. */
  readonly because?: RunError;
}

/** The first event that a recomputation made and that is not the recorded one. */
export interface Divergence {
  readonly type: "Diverged";
  readonly step: number;
  readonly expected: RunEvent;
  readonly actual: RunEvent;
  /** Members of the event's data that differ. */
  readonly members: readonly string[];
  /** Tensors that differ, as "group/path", where the recorded snapshot could be asked. */
  readonly leaves: readonly string[];
  /** The step of the state that the recomputation began with, which is known to be the recorded one. */
  readonly from?: number;
  /** In what the environment of the recomputation is another one; empty where nothing is known of it. */
  readonly environment?: readonly EnvironmentChange[];
}
