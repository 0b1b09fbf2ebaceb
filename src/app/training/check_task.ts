import { isSameData } from "../../core/data_identity.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunState } from "../../core/run_state.ts";
import { fail } from "../../ports/attempt.ts";
import type { Task } from "../../ports/task.ts";
import type { RunError } from "../errors/errors.ts";

/** Fails unless `task` is the one that the run was started with, with the same data, held-out data too. */
export function checkTask(run: RunId, state: RunState, task: Task): void {
  if (state.task !== task.name) {
    refuse({ type: "TaskDiffers", run, expected: state.task ?? "", actual: task.name });
  }
  const recorded = state.data!;
  const { identity } = task.data;
  if (!isSameData(recorded, identity)) {
    refuse({ type: "DataDiffers", run, expected: recorded, actual: identity });
  }
  const { heldOut } = state;
  const found = task.evaluation?.data.identity;
  if (heldOut && (found === undefined || !isSameData(heldOut, found))) {
    refuse({ type: "HeldOutDiffers", run, expected: heldOut, ...(found && { actual: found }) });
  }
}

function refuse(error: RunError): never {
  return fail(error);
}
