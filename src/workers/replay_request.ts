import type { Either } from "fp-ts/Either.js";
import type { Backend } from "../adapters/device/backend_choice.ts";
import type { RunError } from "../app/errors/errors.ts";
import type { SegmentReplay } from "../app/replay/replay_segment.ts";
import type { ReplaySegment } from "../core/replay_segments.ts";
import type { RunId } from "../core/run_id.ts";
import type { TaskModule } from "./task_module.ts";

/** What a worker computes with: the same in all requests that it gets. */
export interface WorkerMeans {
  /** The directory of the file store. */
  readonly root: string;
  readonly backend: Backend;
  readonly task: TaskModule;
}

/** What a worker is asked: to recompute a segment. */
export interface ReplayRequest {
  readonly means: WorkerMeans;
  readonly run: RunId;
  readonly segment: ReplaySegment;
}

/** What it answers. */
export type ReplayAnswer = Either<RunError, SegmentReplay>;
