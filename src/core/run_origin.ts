import type { DataCursor } from "./data_cursor.ts";
import type { Digest } from "./digest.ts";
import type { LeftOut } from "./left_out.ts";
import type { RunId } from "./run_id.ts";

/** Where a run begins that is a fork of another one. */
export interface RunOrigin extends DataCursor {
  readonly parent: ParentState;
  /** "state": all of the parent's state goes on. "weights": its parameters, in a new training. */
  readonly takes: "state" | "weights";
  /** The snapshot that holds the state that the run begins with; its history is the parent's. */
  readonly snapshot: Digest;
  /** Steps so far: the parent's, or 0 where only its weights are taken. */
  readonly step: number;
  /** What is left out of the data. */
  readonly leftOut?: LeftOut;
  /** The first step of the parent that a recomputation found to differ: why the fork was made. */
  readonly divergence?: number;
}

/** A state of another run. */
export interface ParentState {
  readonly run: RunId;
  readonly step: number;
  /** Digest of its training state. */
  readonly state: Digest;
  /** Digest of its history up to there. */
  readonly history: Digest;
  /** Digest of the last envelope of its log up to there: names the log, whatever the run is called. */
  readonly envelope: Digest;
}
