import type { Digest } from "../../core/digest.ts";
import type { ParentState } from "../../core/run_origin.ts";
import type { RecordedRun } from "../reading/read_run.ts";
import type { PastState } from "../replay/rewind.ts";

/** How a run names a past state of another, whose training state has this digest. */
export function parentState(
  { run, events }: RecordedRun,
  { step, position, history }: PastState,
  state: Digest,
): ParentState {
  const { digest: envelope } = events.find((event) => event.position === position - 1)!;
  return { run, step, state, history, envelope };
}
