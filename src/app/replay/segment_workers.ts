import type { TaskEither } from "fp-ts/TaskEither.js";
import type { ReplaySegment } from "../../core/replay_segments.ts";
import type { RunId } from "../../core/run_id.ts";
import type { Reporter } from "../../ports/reporter.ts";
import type { RunError } from "../errors/errors.ts";
import type { SegmentReplay } from "./replay_segment.ts";

/** Where segments of runs are recomputed beside this thread, several at once. */
export interface SegmentWorkers {
  /** How many segments are recomputed at once, at most. */
  readonly count: number;
  /** Recomputes a segment as `replaySegment` does, and tells the reporter of its steps. */
  readonly replay: (
    run: RunId,
    segment: ReplaySegment,
    reporter?: Reporter,
  ) => TaskEither<RunError, SegmentReplay>;
  /** Ends them; a segment that is being recomputed fails. */
  readonly close: () => Promise<void>;
}
