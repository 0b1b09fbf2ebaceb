import { startOfData } from "./data_cursor.ts";
import type { RunEvent } from "./event.ts";
import type { LossAt, RunState } from "./run_state.ts";

/** The state of a run of which nothing is recorded. */
export const initialState: RunState = {
  status: "absent",
  step: 0,
  cursor: startOfData,
  snapshots: [],
};

/**
 * The state after one more event.
 *
 * Total: history already happened, so no event is refused here; `decide` refuses wishes. Pure: the
 * same events always give the same state.
 */
export function evolve(state: RunState, event: RunEvent): RunState {
  switch (event.type) {
    case "RunStarted": {
      const { task, config, data, environment } = event.data;
      return { ...initialState, status: "running", task, config, data, environment };
    }
    case "StepTaken": {
      const { step, epoch, index, loss } = event.data;
      const lastLoss = { step, loss };
      return {
        ...state,
        step,
        cursor: { epoch, index },
        lastLoss,
        bestTrainLoss: lower(state.bestTrainLoss, lastLoss),
      };
    }
    case "EvaluationTaken": {
      const { step, loss } = event.data;
      return { ...state, bestEvaluation: lower(state.bestEvaluation, { step, loss }) };
    }
    case "EpochCompleted":
      return state;
    case "SnapshotTaken":
      return {
        ...state,
        snapshots: [...state.snapshots, { ...event.data, cursor: state.cursor }],
      };
    case "RunPaused":
      return { ...state, status: "paused" };
    case "RunResumed": {
      const { environment } = event.data;
      return { ...state, status: "running", ...(environment && { environment }) };
    }
    case "RunCompleted":
      return { ...state, status: "completed" };
    case "RunFailed":
      return { ...state, status: "failed" };
    default:
      return event satisfies never;
  }
}

/** The earlier of the two wins a tie, and any number beats NaN. */
function lower(best: LossAt | undefined, next: LossAt): LossAt {
  if (best === undefined || Number.isNaN(best.loss)) return next;
  return next.loss < best.loss ? next : best;
}
