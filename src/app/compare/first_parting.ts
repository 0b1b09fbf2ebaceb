import type { RunEvent } from "../../core/event.ts";
import { type EventDifference, eventDifference } from "./event_difference.ts";

/** Between which steps the states of two runs part, as far as their logs can tell. */
export interface Parting {
  /**
   * The last step up to `different` whose states are proven equal; absent where none is. It is `different`
   * itself where what was recorded of that step differs and its state does not.
   */
  readonly equal?: number;
  /** The first step that is known to differ: its state, or how it was computed. */
  readonly different: number;
  /** The first event that differs, where it is one that tells. */
  readonly event?: EventDifference;
}

/**
 * Where two runs that should agree part, by the events of their live branches; undefined where nothing tells
 * that they do.
 *
 * States are equal where digests of them are (of a snapshot, or of what a run begins with), or their
 * fingerprints, which are only so many steps apart: within the window that is given the first step that
 * differs is found by computing the steps again. Equal losses prove nothing of the state after them.
 */
export function firstParting(
  a: readonly RunEvent[],
  b: readonly RunEvent[],
): Parting | undefined {
  const { steps, agreeAt } = toldByBoth(a, b);
  const event = eventDifference(a, b);
  const different = Math.min(
    event === undefined ? Infinity : firstStepOf(event),
    steps.find((step) => agreeAt(step) === false) ?? Infinity,
  );
  if (different === Infinity) return undefined;
  const equal = steps.findLast((step) => step <= different && agreeAt(step) === true);
  return { ...(equal !== undefined && { equal }), different, ...(event && { event }) };
}

/** The last step whose states both logs tell of, and tell to be equal; undefined where there is none. */
export function lastEqualState(
  a: readonly RunEvent[],
  b: readonly RunEvent[],
): number | undefined {
  const { steps, agreeAt } = toldByBoth(a, b);
  return steps.findLast((step) => agreeAt(step) === true);
}

/** The steps of whose states both logs tell something, in order, and whether that is the same. */
function toldByBoth(a: readonly RunEvent[], b: readonly RunEvent[]) {
  const [statesOfA, statesOfB] = [statesByStep(a), statesByStep(b)];
  const steps = [...statesOfA.keys()].filter((step) => statesOfB.has(step)).sort((x, y) => x - y);
  const agreeAt = (step: number) => agree(statesOfA.get(step)!, statesOfB.get(step)!);
  return { steps, agreeAt };
}

/** What a log says of the state of a step. */
interface StateMarks {
  /** Digest of the state. */
  readonly state?: string;
  readonly fingerprint?: string;
}

function statesByStep(events: readonly RunEvent[]): ReadonlyMap<number, StateMarks> {
  const states = new Map<number, StateMarks>();
  const mark = (step: number, marks: StateMarks) =>
    states.set(step, { ...states.get(step), ...marks });
  for (const { type, data } of events) {
    if (type === "RunStarted") mark(data.origin?.step ?? 0, { state: data.state });
    if (type === "SnapshotTaken" || type === "SnapshotMaterialized") {
      mark(data.step, { state: data.state });
    }
    if ((type === "StepTaken" || type === "StepSkipped") && data.fingerprint !== undefined) {
      mark(data.step, { fingerprint: data.fingerprint.state });
    }
  }
  return states;
}

/** Whether two states are equal, or undefined where nothing tells. */
function agree(a: StateMarks, b: StateMarks): boolean | undefined {
  for (const mark of ["state", "fingerprint"] as const) {
    if (a[mark] !== undefined && b[mark] !== undefined) return a[mark] === b[mark];
  }
  return undefined;
}

/** A setting that changes after a step is of the step that follows. */
function firstStepOf({ step, a, b }: EventDifference): number {
  return (a ?? b) === "ConfigChanged" ? step + 1 : step;
}
