import type { Digest } from "./digest.ts";
import type { Environment } from "./environment.ts";
import type {
  ConfigChanged,
  EvaluationTaken,
  RunFailed,
  RunPaused,
  RunRewound,
  RunStarted,
  SamplesTaken,
  SnapshotFailed,
  SnapshotMaterialized,
  SnapshotTaken,
  StepTaken,
} from "./event.ts";

/** What someone wishes to happen to a run; `decide` grants or refuses it. */
export type RunCommand =
  | { readonly type: "StartRun"; readonly data: RunStarted["data"] }
  | { readonly type: "RecordStep"; readonly data: StepTaken["data"] }
  | { readonly type: "RecordEvaluation"; readonly data: EvaluationTaken["data"] }
  | { readonly type: "RecordSamples"; readonly data: SamplesTaken["data"] }
  | { readonly type: "RecordSnapshot"; readonly data: SnapshotTaken["data"] }
  | { readonly type: "RecordSnapshotFailure"; readonly data: SnapshotFailed["data"] }
  /** The snapshots, by id, that are to be kept no longer. */
  | { readonly type: "PruneSnapshots"; readonly data: { readonly snapshots: readonly Digest[] } }
  | { readonly type: "RecordMaterialized"; readonly data: SnapshotMaterialized["data"] }
  | { readonly type: "PauseRun"; readonly data: Pick<RunPaused["data"], "reason"> }
  | { readonly type: "ResumeRun"; readonly data: ResumeWish }
  | { readonly type: "RewindRun"; readonly data: RunRewound["data"] }
  | { readonly type: "CompleteRun" }
  | { readonly type: "FailRun"; readonly data: Pick<RunFailed["data"], "message"> };

/** A wish to go on with a run where it stopped. */
export interface ResumeWish {
  /** Where the next steps would be computed. */
  readonly environment: Environment;
  /** Go on even if the environment is another one, and record that exactness ends there. */
  readonly acceptEnvironment: boolean;
  /** The code that computes from here on, where it is another one and was accepted. */
  readonly code?: Digest;
  /** Settings that are to be others from here on. */
  readonly config?: Pick<ConfigChanged["data"], "changes" | "class">;
}
