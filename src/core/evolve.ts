import { startOfData } from "./data_cursor.ts";
import type { RunEvent, SnapshotTaken } from "./event.ts";
import type { LossAt, RunState, SnapshotRef } from "./run_state.ts";

/** The state of a run of which nothing is recorded. */
export const initialState: RunState = {
  status: "absent",
  version: 0,
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
  return { ...evolved(state, event), version: state.version + 1 };
}

function evolved(state: RunState, event: RunEvent): RunState {
  switch (event.type) {
    case "RunStarted": {
      const { task, config, data, environment } = event.data;
      return { ...initialState, status: "running", task, config, data, environment };
    }
    case "StepSkipped":
    case "StepTaken": {
      const { step, epoch, index, loss } = event.data;
      const lastLoss = { step, loss };
      return {
        ...state,
        step,
        cursor: { epoch, index },
        lastLoss,
        bestTrainLoss: lower(state.bestTrainLoss, lastLoss),
        ...(event.type === "StepSkipped" && { skippedSteps: (state.skippedSteps ?? 0) + 1 }),
        ...averaged(state, loss),
      };
    }
    case "EvaluationTaken": {
      const { step, loss, emaLoss = loss } = event.data;
      const lastEvaluation = { step, loss: emaLoss };
      const { worseEvaluations = 0, ...before } = state;
      const bestEvaluation = lower(state.bestEvaluation, lastEvaluation);
      const worse = bestEvaluation === lastEvaluation ? {} : {
        worseEvaluations: worseEvaluations + 1,
      };
      return { ...before, lastEvaluation, bestEvaluation, ...worse };
    }
    case "EpochCompleted":
      return state;
    case "SnapshotTaken":
      return { ...state, snapshots: [...state.snapshots, snapshotRef(state, event)] };
    case "SnapshotFailed":
      return { ...state, failedSnapshot: event.data.step };
    case "SnapshotPruned": {
      const { snapshot, step } = event.data;
      const kept = state.snapshots.filter((ref) => ref.snapshot !== snapshot || ref.step !== step);
      return { ...state, snapshots: kept };
    }
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

function snapshotRef(state: RunState, { data }: SnapshotTaken): SnapshotRef {
  const { version: position, cursor, lastLoss, lastEvaluation } = state;
  return {
    ...data,
    position,
    cursor,
    ...(lastLoss?.step === data.step && { loss: lastLoss.loss }),
    ...(lastEvaluation?.step === data.step && { evaluation: lastEvaluation.loss }),
  };
}

/** Share of the average of the training losses that is kept at each step. */
const EMA_KEPT = 0.98;

/** The average begins as the first loss, so that its weights sum to 1 from there on. */
function averaged(
  { trainEmaLoss: mean }: RunState,
  loss: number,
): Pick<RunState, "trainEmaLoss"> {
  if (!Number.isFinite(loss)) return {};
  return { trainEmaLoss: mean === undefined ? loss : mean + (1 - EMA_KEPT) * (loss - mean) };
}

/** The earlier of the two wins a tie, and any number beats NaN. */
function lower(best: LossAt | undefined, next: LossAt): LossAt {
  if (best === undefined || Number.isNaN(best.loss)) return next;
  return next.loss < best.loss ? next : best;
}
