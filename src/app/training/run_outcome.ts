import type { RunId } from "../../core/run_id.ts";
import type { RunState } from "../../core/run_state.ts";

/** Where a training came to. */
export interface RunOutcome {
  readonly run: RunId;
  /** "stopped": it was told to stop while it still recomputed what the log has. */
  readonly status: "completed" | "paused" | "stopped";
  readonly state: RunState;
  /** What the task's `sample` shows of the final parameters, where this call completed the run. */
  readonly sample?: string;
}
