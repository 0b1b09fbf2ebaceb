import { withSettings } from "./config_path.ts";
import { startOfData } from "./data_cursor.ts";
import type { Digest } from "./digest.ts";
import type {
  RunEvent,
  RunRewound,
  RunStarted,
  SnapshotMaterialized,
  SnapshotTaken,
} from "./event.ts";
import { codeOfRun, type LossAt, type RunState, type SnapshotRef } from "./run_state.ts";

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
    case "RunStarted":
      return started(event);
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
      const { step, loss, emaLoss = loss, measures } = event.data;
      const lastEvaluation = { step, loss: emaLoss, ...(measures && { measures }) };
      const { worseEvaluations = 0, ...before } = state;
      const bestEvaluation = lower(state.bestEvaluation, lastEvaluation);
      const worse = bestEvaluation === lastEvaluation ? {} : {
        worseEvaluations: worseEvaluations + 1,
      };
      return { ...before, lastEvaluation, bestEvaluation, ...worse };
    }
    case "SamplesTaken": {
      const { sampleFiles = [] } = state;
      const named = event.data.samples.map(({ digest }) => digest);
      return withSampleFiles(state, [...sampleFiles, ...named]);
    }
    case "EpochCompleted":
      return state;
    case "SnapshotTaken":
      return withSnapshot(state, snapshotRef(state, event));
    case "SnapshotFailed":
      return { ...state, failedSnapshot: event.data.step };
    case "SnapshotPruned": {
      const { snapshot, step } = event.data;
      const isKept = (ref: SnapshotRef) => ref.snapshot !== snapshot || ref.step !== step;
      const snapshots = state.snapshots.filter(isKept);
      return withAbandoned({ ...state, snapshots }, (state.abandoned ?? []).filter(isKept));
    }
    case "SnapshotMaterialized":
      return withSnapshot(state, materializedRef(event));
    case "ConfigChanged":
      return state.config === undefined
        ? state
        : { ...state, config: withSettings(state.config, event.data.changes) };
    case "CodeChanged":
      return withOtherCode({ ...state, code: event.data.code }, codeOfRun(state));
    case "RunPaused":
      return { ...state, status: "paused" };
    case "RunResumed": {
      const { environment } = event.data;
      return { ...state, status: "running", ...(environment && { environment }) };
    }
    case "RunRewound":
      return rewound(state, event);
    case "RunCompleted":
      return { ...state, status: "completed" };
    case "RunFailed":
      return { ...state, status: "failed" };
    default:
      return event satisfies never;
  }
}

function started({ data: { state, origin, ...about } }: RunStarted): RunState {
  const begun: RunState = { ...initialState, status: "running", ...about };
  if (origin === undefined) return begun;
  const { step, epoch, index, snapshot } = origin;
  const cursor = { epoch, index };
  const own: SnapshotRef = { position: 0, step, snapshot, state, reason: "forked", cursor };
  return { ...begun, origin, step, cursor, snapshots: [own] };
}

/** Snapshots that were taken since then belong to a branch that is abandoned. */
function rewound(state: RunState, { data }: RunRewound): RunState {
  const { task, data: trainedOn, heldOut, origin, version } = state;
  const isLive = ({ position }: SnapshotRef) => position < data.position;
  const back: RunState = {
    status: "running",
    version,
    ...(task !== undefined && { task }),
    ...(trainedOn && { data: trainedOn }),
    ...(heldOut && { heldOut }),
    ...(origin && { origin }),
    ...data.facts,
    step: data.step,
    snapshots: state.snapshots.filter(isLive),
  };
  const left = state.snapshots.filter((ref) => !isLive(ref));
  const named = withSampleFiles(withOtherCode(back, codeOfRun(state)), state.sampleFiles ?? []);
  return withAbandoned(named, [...state.abandoned ?? [], ...left]);
}

function withSampleFiles(state: RunState, sampleFiles: readonly Digest[]): RunState {
  return sampleFiles.length === 0 ? state : { ...state, sampleFiles };
}

function withAbandoned(state: RunState, abandoned: readonly SnapshotRef[]): RunState {
  const { abandoned: _, ...rest } = state;
  return abandoned.length === 0 ? rest : { ...rest, abandoned };
}

/** The log names more code than that which computes now. */
function withOtherCode(state: RunState, named: readonly Digest[]): RunState {
  const { otherCode: _, ...rest } = state;
  const otherCode = named.filter((code) => code !== state.code);
  return otherCode.length === 0 ? rest : { ...rest, otherCode };
}

/** A snapshot that is taken again is no longer one of an abandoned branch alone. */
function withSnapshot(state: RunState, ref: SnapshotRef): RunState {
  const { step, snapshot } = ref;
  const others = (state.abandoned ?? []).filter((one) =>
    one.step !== step || one.snapshot !== snapshot
  );
  const snapshots = [...state.snapshots, ref].sort((a, b) => a.step - b.step);
  return withAbandoned({ ...state, snapshots }, others);
}

function materializedRef({ data }: SnapshotMaterialized): SnapshotRef {
  const { epoch, index, position, ...about } = data;
  return { ...about, position: position - 1, reason: "materialized", cursor: { epoch, index } };
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
function lower<At extends LossAt>(best: At | undefined, next: At): At {
  if (best === undefined || Number.isNaN(best.loss)) return next;
  return next.loss < best.loss ? next : best;
}
