import * as E from "fp-ts/Either.js";
import { checkConfig } from "./check_config.ts";
import { settings, withSettings } from "./config_path.ts";
import type { RunConfig } from "./config.ts";
import { type DataCursor, startOfData } from "./data_cursor.ts";
import {
  type ConfigChanged,
  isStep,
  isTrainingFact,
  type RunEvent,
  type RunStarted,
  type SamplesTaken,
  type SnapshotMaterialized,
  stepEvent,
  type StepSkipped,
  type StepTaken,
} from "./event.ts";
import { leastClass } from "./config_change.ts";
import { evolve, initialState } from "./evolve.ts";
import { extendPath, type PlacedEvent } from "./live_path.ts";
import { lossScaleAfter, type LossScaleAt } from "./loss_scale_rule.ts";
import { planEnds } from "./plan_ends.ts";
import { factsOf, type RunState, snapshotName } from "./run_state.ts";
import { sampleNameFlaw } from "./sample_files.ts";

/** The first event of a history that cannot be where it is. */
export interface HistoryFlaw {
  readonly position: number;
  readonly reason: string;
}

/**
 * Checks what every history promises: it begins with RunStarted, once, holds each step of a branch once and
 * in order, skipped where its gradients tell so and at the loss scale that the steps before it lead to, is
 * complete only where its plan ends, and goes back only to what it was. After it is complete, snapshots
 * may be pruned (each that is kept, once) and made anew, and nothing else happens unless it goes on. A chain
 * of digests alone cannot tell: whoever forges events can recompute it.
 */
export function historyFlaw(events: readonly RunEvent[]): HistoryFlaw | undefined {
  let at = beginning;
  const kept = new Set<string>();
  const path: PlacedEvent[] = []; // the live one
  for (const [position, event] of events.entries()) {
    const reason = flawOf(event, position, at, kept, path);
    if (reason !== undefined) return { position, reason };
    extendPath(path, { position, event });
    at = event.type === "RunRewound"
      ? { state: evolve(at.state, event), lossScale: foldPath(path).lossScale }
      : placeAfter(at, event);
  }
  return undefined;
}

/** What is known before an event. */
interface Place {
  readonly state: RunState;
  /** "unknown" in a fork, of whose beginning the log says nothing, until a step is skipped. */
  readonly lossScale: LossScaleAt | "unknown" | undefined;
}

const beginning: Place = { state: initialState, lossScale: undefined };

/** What is wrong with an event at its place; `kept` gains and loses the snapshots that it names. */
function flawOf(
  event: RunEvent,
  position: number,
  { state, lossScale }: Place,
  kept: Set<string>,
  path: readonly PlacedEvent[],
): string | undefined {
  if ((event.type === "RunStarted") !== (position === 0)) {
    return "expected RunStarted at position 0 and there alone";
  }
  switch (event.type) {
    case "SnapshotPruned":
      return kept.delete(snapshotName(event.data))
        ? undefined
        : "expected SnapshotPruned of a snapshot that is kept";
    case "SnapshotMaterialized":
      kept.add(snapshotName(event.data));
      return flawOfMaterialized(event.data, path);
    case "RunRewound":
      return flawOfRewind(event.data, path);
    case "RunResumed":
    case "ConfigChanged":
    case "CodeChanged":
      break;
    default:
      if (state.status === "completed") {
        return `expected nothing after RunCompleted, found ${event.type}`;
      }
  }
  if (isStep(event)) {
    return planEnds(state)
      ? `expected no step after step ${state.step}, where the plan ends`
      : flawOfStep(event, state.step, lossScale);
  }
  if (event.type === "RunStarted") return undefined;
  if (event.data.step !== state.step) {
    return `expected ${event.type} at step ${state.step}, found ${event.data.step}`;
  }
  if (event.type === "ConfigChanged") {
    return flawOfChange(event.data, state.config!);
  }
  if (event.type === "SamplesTaken") return flawOfSamples(event.data, path);
  if (event.type === "SnapshotTaken") kept.add(snapshotName(event.data));
  if (event.type === "RunCompleted" && !planEnds(state)) {
    return `expected RunCompleted at step ${state.config?.steps.max}, found it at ${state.step}`;
  }
  return undefined;
}

/** Samples are of an evaluation, the last that was computed and stored before them. */
function flawOfSamples(
  { step, samples }: SamplesTaken["data"],
  path: readonly PlacedEvent[],
): string | undefined {
  const before = path.findLast(({ event }) => isTrainingFact(event) || isSnapshot(event))?.event;
  if (before?.type !== "EvaluationTaken" || before.data.step !== step) {
    return `expected SamplesTaken after the EvaluationTaken of step ${step}, found it after ${before?.type}`;
  }
  return sampleNameFlaw(step, samples.map(({ name }) => name));
}

/** Whether a snapshot was stored, or could not be. */
function isSnapshot({ type }: RunEvent): boolean {
  return type === "SnapshotTaken" || type === "SnapshotFailed";
}

function placeAfter({ state, lossScale }: Place, event: RunEvent): Place {
  const next = evolve(state, event);
  if (event.type === "RunStarted") return { state: next, lossScale: initialLossScale(event.data) };
  if (!isStep(event) || lossScale === undefined) return { state: next, lossScale };
  if (lossScale === "unknown") return { state: next, lossScale: scaleOnceSkipped(event) };
  return {
    state: next,
    lossScale: lossScaleAfter(lossScale, event.data.gradNorm, state.config!.lossScale),
  };
}

/** What is known after a path that was found right. */
function foldPath(path: readonly PlacedEvent[]): Place {
  return path.reduce((at, { event }) => placeAfter(at, event), beginning);
}

function flawOfRewind(
  { step, position, facts }: Extract<RunEvent, { type: "RunRewound" }>["data"],
  path: readonly PlacedEvent[],
): string | undefined {
  const back = path.filter((placed) => placed.position < position);
  if (back.at(-1)?.position !== position - 1) {
    return `expected RunRewound to a position of the live branch, found ${position}`;
  }
  const { state } = foldPath(back);
  if (state.step !== step) {
    return `expected RunRewound to step ${state.step} at position ${position}, found ${step}`;
  }
  const differs = differingFact(factsOf(state), facts);
  return differs &&
    `expected RunRewound to go back to the ${differs} of step ${step}, found another`;
}

function flawOfMaterialized(
  { step, position, epoch, index, loss, evaluation }: SnapshotMaterialized["data"],
  path: readonly PlacedEvent[],
): string | undefined {
  const last = path.findLastIndex((placed) => placed.position < position);
  const there = path[last]?.position === position - 1 ? cursorAfter(path, last) : undefined;
  if (there?.step !== step || there.epoch !== epoch || there.index !== index) {
    return `expected SnapshotMaterialized of step ${step} and its place in the live branch`;
  }
  const measured = measuredUpTo(path, last, step);
  return Object.is(measured.loss, loss) && Object.is(measured.evaluation, evaluation)
    ? undefined
    : `expected SnapshotMaterialized to have the losses of step ${step}, found others`;
}

/** The training and the evaluation loss of the step that the event at an index of a path belongs to. */
function measuredUpTo(
  path: readonly PlacedEvent[],
  index: number,
  step: number,
): { readonly loss?: number; readonly evaluation?: number } {
  let evaluation: number | undefined;
  for (let at = index; at >= 0; at--) {
    const { event } = path[at]!;
    if (event.type === "EvaluationTaken" && event.data.step === step) {
      evaluation ??= event.data.emaLoss ?? event.data.loss;
    }
    if (!isStep(event)) continue;
    if (event.data.step !== step) break;
    return { loss: event.data.loss, ...(evaluation !== undefined && { evaluation }) };
  }
  return evaluation === undefined ? {} : { evaluation };
}

/** The step and the data cursor after the event at an index of a path. */
function cursorAfter(
  path: readonly PlacedEvent[],
  index: number,
): (DataCursor & { readonly step: number }) | undefined {
  for (let at = index; at >= 0; at--) {
    const { event } = path[at]!;
    if (isStep(event)) return event.data;
    if (event.type === "RunStarted") return event.data.origin ?? { ...startOfData, step: 0 };
  }
  return undefined;
}

function flawOfChange(
  { changes, class: kind }: ConfigChanged["data"],
  config: RunConfig,
): string | undefined {
  const known = settings(config);
  const mistyped = Object.entries(changes).find(([path, value]) =>
    known.has(path) && typeof known.get(path) !== typeof value
  );
  if (mistyped !== undefined) {
    const [path, value] = mistyped;
    return `expected ConfigChanged to make ${path} a ${typeof known.get(path)}, found ${value}`;
  }
  const unknown = Object.keys(changes).find((path) => !known.has(path));
  if (unknown !== undefined) {
    return `expected ConfigChanged of settings that the run has, found ${unknown}`;
  }
  const least = leastClass(config, changes);
  if (least === "architecture" || (least === "training" && kind === "free")) {
    return `expected ConfigChanged of class ${kind} to change no more than that, found ${
      Object.keys(changes).join(", ")
    }`;
  }
  const checked = checkConfig(withSettings(config, changes), Object.keys(changes));
  if (E.isRight(checked) || checked.left.type !== "BadSetting") return undefined;
  const { path, expected, found } = checked.left;
  return `expected ConfigChanged to make ${path} ${expected}, found ${found}`;
}

/** The first fact that is not the same, members compared as JSON-like values. */
function differingFact(expected: object, found: object): string | undefined {
  const [before, after] = [expected, found] as Readonly<Record<string, unknown>>[];
  const names = [...new Set([...Object.keys(expected), ...Object.keys(found)])].sort();
  return names.find((name) => !isSame(before![name], after![name]));
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") {
    return Object.is(a, b);
  }
  return differingFact(a, b) === undefined;
}

function initialLossScale(
  { config: { precision, lossScale }, origin }: RunStarted["data"],
): Place["lossScale"] {
  if (precision === "float32") return undefined;
  return origin?.takes === "state" ? "unknown" : { scale: lossScale.initial, finiteSteps: 0 };
}

/** Whatever the count was before it, a skipped step begins a new one at half the scale. */
function scaleOnceSkipped({ data: { lossScale, gradNorm } }: StepTaken | StepSkipped) {
  if (Number.isFinite(gradNorm) || lossScale === undefined) return "unknown";
  return lossScaleAfter({ scale: lossScale, finiteSteps: 0 }, gradNorm, { growthInterval: 1 });
}

/** What is wrong with a step that follows step `before`. */
function flawOfStep(
  { type, data }: StepTaken | StepSkipped,
  before: number,
  lossScale: Place["lossScale"],
): string | undefined {
  if (data.step !== before + 1) return `expected step ${before + 1}, found ${data.step}`;
  if (lossScale === "unknown") {
    if (data.lossScale === undefined) {
      return `expected a loss scale at step ${data.step}, found none`;
    }
  } else if (data.lossScale !== lossScale?.scale) {
    const [expected, found] = [lossScale?.scale, data.lossScale].map((scale) => scale ?? "none");
    return `expected the loss scale ${expected} at step ${data.step}, found ${found}`;
  }
  const expected = stepEvent(data).type;
  if (type === expected) return undefined;
  return `expected ${expected} where the norm of the gradients is ${data.gradNorm}, found ${type}`;
}
