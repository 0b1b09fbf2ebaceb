import type { RunConfig } from "../core/config.ts";
import type { ConfigChange } from "../core/config_change.ts";
import type { FileProgress } from "../core/file_progress.ts";
import type { Setting } from "../core/config_path.ts";
import type { Measures } from "../core/measures.ts";
import type { SettingChange } from "../core/setting_class.ts";
import type { LossAt } from "../core/run_state.ts";
import type { RunId } from "../core/run_id.ts";
import type { SampleFile } from "../core/sample_files.ts";
import type { TornTail } from "./event_log.ts";

/** Told what happens, for people; what it does with that never changes a training. */
export interface Reporter {
  readonly report: (notice: Notice) => void;
}

/** What a person watching a training would want to know. */
export type Notice =
  | {
    readonly type: "Started";
    readonly run: RunId;
    readonly parameters: number;
    readonly maxSteps: number;
  }
  | { readonly type: "TailCut"; readonly run: RunId; readonly torn: TornTail }
  | {
    /** Another `batch.micro` is asked for than is recorded; passes are over grains, so no bit changes. */
    readonly type: "MicroPasses";
    readonly path: string;
    readonly recorded: Setting | undefined;
    readonly asked: Setting;
    readonly grain: number;
  }
  | {
    /** Settings are others from here on, which is recorded. */
    readonly type: "Changed";
    readonly step: number;
    readonly change: ConfigChange;
    readonly config: RunConfig;
  }
  | {
    /** The run goes on from an earlier step; what followed it is an abandoned branch. */
    readonly type: "Rewound";
    readonly step: number;
    readonly head: number;
    /** Settings that are again what they were at that step, and what they were at the head. */
    readonly undone: readonly SettingChange[];
  }
  | {
    /** The run goes on as a fork, since from `divergence` on it is not what its log recorded. */
    readonly type: "Forked";
    readonly run: RunId;
    readonly step: number;
    readonly divergence: number;
  }
  | {
    readonly type: "SnapshotSkipped";
    readonly step: number;
    /** Why an otherwise nearer snapshot was not used. */
    readonly reason: string;
  }
  | {
    readonly type: "Resuming";
    readonly run: RunId;
    /** Step of the snapshot that the state came from; 0 is the initial state. */
    readonly snapshot: number;
    /** The last step in the log. */
    readonly head: number;
    readonly maxSteps: number;
  }
  | {
    readonly type: "Resumed";
    readonly run: RunId;
    readonly step: number;
    readonly epoch: number;
    /** Where its data is files that are read in order. */
    readonly files?: FileProgress;
    readonly snapshot: number;
    /** Steps recomputed, and events compared on the way: all were equal. */
    readonly recomputed: number;
    readonly compared: number;
    /** Of these events, those that have a fingerprint of the state. */
    readonly fingerprints: number;
    readonly history: number;
    readonly best: LossAt | undefined;
  }
  | {
    /** Recorded steps are about to be recomputed, in segments. */
    readonly type: "Replaying";
    readonly run: RunId;
    readonly segments: number;
    /** How many segments those were taken from. */
    readonly of: number;
    readonly steps: number;
    /** How many segments are recomputed at once. */
    readonly workers: number;
  }
  | {
    readonly type: "SegmentReplayed";
    /** Its place in the run, the step of the state that it began with, and its last step. */
    readonly number: number;
    readonly from: number;
    readonly to: number;
    readonly compared: number;
    /** The first step that is not as recorded; absent where all are. */
    readonly differs?: number;
    /** How many of the segments are done now. */
    readonly done: number;
    readonly of: number;
  }
  | {
    readonly type: "Step";
    readonly step: number;
    readonly maxSteps: number;
    readonly loss: number;
    readonly learningRate: number;
    /** False while steps are recomputed that the log already has. */
    readonly recorded: boolean;
  }
  | {
    /** The step's gradients were not finite with this loss scale, which is halved for the next. */
    readonly type: "Skipped";
    readonly step: number;
    readonly lossScale: number;
  }
  | {
    readonly type: "Evaluated";
    readonly step: number;
    readonly loss: number;
    /** Of the average of the parameters, where one is kept. */
    readonly emaLoss?: number;
    readonly measures?: Measures;
  }
  | {
    /** Samples of an evaluation are stored, and shown. */
    readonly type: "Sampled";
    readonly run: RunId;
    readonly step: number;
    readonly samples: readonly SampleFile[];
  }
  | { readonly type: "Saved"; readonly step: number; readonly snapshot: string }
  | {
    /** A snapshot could not be stored; the training goes on without it. */
    readonly type: "SaveFailed";
    readonly step: number;
    readonly reason: string;
  }
  | {
    /** Nothing is pruned in this training: a log that has to be read for that is damaged. */
    readonly type: "NothingPruned";
    readonly reason: string;
  }
  | {
    /** Snapshots were pruned, and the space that they take could not be freed. */
    readonly type: "NothingFreed";
    readonly reason: string;
  };
