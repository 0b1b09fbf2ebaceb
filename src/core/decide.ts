import * as E from "fp-ts/Either.js";
import type { ResumeWish, RunCommand } from "./command.ts";
import type { Digest } from "./digest.ts";
import { type EnvironmentChange, environmentChanges } from "./environment.ts";
import {
  type RunEvent,
  type SamplesTaken,
  type SnapshotMaterialized,
  type SnapshotTaken,
  stepEvent,
  type StepTaken,
} from "./event.ts";
import { withSettings } from "./config_path.ts";
import { planEnds } from "./plan_ends.ts";
import { keptSnapshots, type RunState, type RunStatus } from "./run_state.ts";

/** Why a command was refused. */
export type DecideError =
  | {
    readonly type: "WrongStatus";
    readonly command: RunCommand["type"];
    readonly expected: readonly RunStatus[];
    readonly actual: RunStatus;
  }
  | {
    readonly type: "WrongStep";
    readonly command: RunCommand["type"];
    readonly expected: number;
    readonly actual: number;
  }
  | { readonly type: "EnvironmentChanged"; readonly changes: readonly EnvironmentChange[] };

type Decision = E.Either<DecideError, readonly RunEvent[]>;

/**
 * The events that a command leads to in a given state, or why it is refused.
 *
 * Pure: nothing is recorded until the events are appended.
 */
export function decide(command: RunCommand, state: RunState): Decision {
  const allowed = allowedStatus(command);
  if (!allowed.includes(state.status)) {
    const { type } = command;
    return E.left({ type: "WrongStatus", command: type, expected: allowed, actual: state.status });
  }
  switch (command.type) {
    case "StartRun":
      return E.right([{ type: "RunStarted", data: command.data }]);
    case "RecordStep":
      return decideStep(command.data, state);
    case "RecordEvaluation":
      return atStep(command.type, command.data.step, state.step, {
        type: "EvaluationTaken",
        data: command.data,
      });
    case "RecordSamples":
      return decideSamples(command.data, state);
    case "RecordSnapshot":
      return decideSnapshot(command.data, state);
    case "RecordSnapshotFailure":
      return atStep(command.type, command.data.step, state.step, {
        type: "SnapshotFailed",
        data: command.data,
      });
    case "PruneSnapshots":
      return E.right(prunedEvents(command.data.snapshots, state));
    case "RecordMaterialized":
      return decideMaterialized(command.data, state);
    case "PauseRun":
      return E.right([{ type: "RunPaused", data: { step: state.step, ...command.data } }]);
    case "ResumeRun":
      return decideResume(command.data, state);
    case "RewindRun":
      return command.data.step < state.step || command.data.position < state.version
        ? E.right([{ type: "RunRewound", data: command.data }])
        : wrongStep(command.type, state.step - 1, command.data.step);
    case "CompleteRun":
      return planEnds(state)
        ? E.right([{ type: "RunCompleted", data: { step: state.step } }])
        : wrongStep(command.type, state.config?.steps.max ?? 0, state.step);
    case "FailRun":
      return E.right([{ type: "RunFailed", data: { step: state.step, ...command.data } }]);
    default:
      return command satisfies never;
  }
}

const BEGUN: readonly RunStatus[] = ["running", "paused", "failed", "completed"];

function allowedStatus(command: RunCommand): readonly RunStatus[] {
  switch (command.type) {
    case "StartRun":
      return ["absent"];
    case "ResumeRun":
      // One that is complete goes on where its plan is another.
      return command.data.config === undefined ? ["running", "paused", "failed"] : BEGUN;
    case "PruneSnapshots":
    case "RecordMaterialized":
    case "RewindRun":
      return BEGUN;
    default:
      return ["running"];
  }
}

function decideStep(data: StepTaken["data"], state: RunState): Decision {
  if (data.step !== state.step + 1) return wrongStep("RecordStep", state.step + 1, data.step);
  const events: RunEvent[] = [stepEvent(data)];
  for (let epoch = state.cursor.epoch; epoch < data.epoch; epoch++) {
    events.push({ type: "EpochCompleted", data: { step: data.step, epoch } });
  }
  return E.right(events);
}

/** What was evaluated makes samples, and nothing else. */
function decideSamples(data: SamplesTaken["data"], state: RunState): Decision {
  const evaluated = state.lastEvaluation?.step ?? 0;
  return data.step === state.step && data.step !== evaluated
    ? wrongStep("RecordSamples", evaluated, data.step)
    : atStep("RecordSamples", data.step, state.step, { type: "SamplesTaken", data });
}

/** A step that has a snapshot already needs no second one. */
function decideSnapshot(data: SnapshotTaken["data"], state: RunState): Decision {
  if (state.snapshots.at(-1)?.step === data.step) return E.right([]);
  return atStep("RecordSnapshot", data.step, state.step, { type: "SnapshotTaken", data });
}

/** One event for each snapshot that is still kept; a snapshot that is gone needs no second one. */
function prunedEvents(snapshots: readonly Digest[], state: RunState): readonly RunEvent[] {
  return keptSnapshots(state).filter((ref) => snapshots.includes(ref.snapshot)).map(
    ({ step, snapshot }) => ({ type: "SnapshotPruned", data: { step, snapshot } }),
  );
}

/** One for a snapshot that is not kept. */
function decideMaterialized(data: SnapshotMaterialized["data"], state: RunState): Decision {
  if (state.snapshots.some(({ step }) => step === data.step)) return E.right([]);
  return data.step <= state.step
    ? E.right([{ type: "SnapshotMaterialized", data }])
    : wrongStep("RecordMaterialized", state.step, data.step);
}

/**
 * A run that died without a word goes on without a word: its log is that of a run that never died. One
 * that is complete goes on only where other settings give it something to do.
 */
function decideResume(wish: ResumeWish, state: RunState): Decision {
  const recorded = state.environment;
  const changes = recorded === undefined ? [] : environmentChanges(recorded, wish.environment);
  if (changes.length > 0 && !wish.acceptEnvironment) {
    return E.left({ type: "EnvironmentChanged", changes });
  }
  const { step, status } = state;
  const { environment, code, config } = wish;
  const after = config && { ...state, config: withSettings(state.config!, config.changes) };
  if (status === "completed" && (after === undefined || planEnds(after))) {
    const expected = ["running", "paused", "failed"] as const;
    return E.left({ type: "WrongStatus", command: "ResumeRun", expected, actual: status });
  }
  const events: RunEvent[] = [];
  if (changes.length > 0) events.push({ type: "RunResumed", data: { step, environment } });
  else if (status !== "running") events.push({ type: "RunResumed", data: { step } });
  if (code !== undefined) events.push({ type: "CodeChanged", data: { step, code } });
  if (config) events.push({ type: "ConfigChanged", data: { step, ...config } });
  return E.right(events);
}

function atStep(
  command: RunCommand["type"],
  actual: number,
  expected: number,
  event: RunEvent,
): Decision {
  return actual === expected ? E.right([event]) : wrongStep(command, expected, actual);
}

function wrongStep(command: RunCommand["type"], expected: number, actual: number): Decision {
  return E.left({ type: "WrongStep", command, expected, actual });
}
