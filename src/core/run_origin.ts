import type { DataCursor } from "./data_cursor.ts";
import type { Digest } from "./digest.ts";
import type { LeftOut } from "./left_out.ts";
import type { RunId } from "./run_id.ts";

/** Where a run begins that does not begin with what its seed determines: in another run, or with a file. */
export type RunOrigin = OriginInRun | OriginInFile;

/** A run begins with a state of another one, or with its weights. */
export type OriginInRun = FromRun & Beginning;

/** A run begins with the weights of a file. */
export type OriginInFile = FromFile & Beginning & { readonly takes: "weights" };

/** Where weights are from. */
export type WeightsSource = FromRun | FromFile;

interface FromRun {
  readonly parent: ParentState;
  readonly file?: never;
}

interface FromFile {
  readonly file: WeightsName;
  readonly parent?: never;
}

/** What a run begins with. */
interface Beginning extends DataCursor {
  /** "state": all of the parent's state goes on. "weights": parameters alone, in a new training. */
  readonly takes: "state" | "weights";
  /** The branch of the parameters that the weights are ("base"); they are all of them without it. */
  readonly into?: string;
  /** The snapshot that holds the state that the run begins with; its history is `historyOfOrigin`. */
  readonly snapshot: Digest;
  /** Steps so far: the parent's, or 0 where only weights are taken. */
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

/** A file of weights. */
export interface WeightsName {
  /** Its name, for people. */
  readonly name: string;
  /** Digest of its bytes. */
  readonly digest: Digest;
}

/** Digest of what led to the state that a run begins with: the parent's history, or the file itself. */
export function historyOfOrigin({ parent, file }: WeightsSource): Digest {
  return parent === undefined ? file.digest : parent.history;
}

/** Where a run begins, in words: "run "base" at step 300", or the name of a file. */
export function originName({ parent, file }: WeightsSource): string {
  return parent === undefined ? file.name : `run "${parent.run}" at step ${parent.step}`;
}
