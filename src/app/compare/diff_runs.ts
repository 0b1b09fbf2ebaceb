import type { TaskEither } from "fp-ts/TaskEither.js";
import type { RunEvent } from "../../core/event.ts";
import { evolve, initialState } from "../../core/evolve.ts";
import { livePath, positionAfterStep } from "../../core/live_path.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunState } from "../../core/run_state.ts";
import { attempt, type Await, fail } from "../../ports/attempt.ts";
import type { Store } from "../../ports/store.ts";
import { commonState, type DiffOptions, type KeptStates, namedState } from "./compare_states.ts";
import type { RunError } from "../errors/errors.ts";
import { type EventDifference, eventDifference } from "./event_difference.ts";
import { type PremiseDifference, premiseDifference } from "./premises.ts";
import { readRun } from "../reading/read_run.ts";
import { sameState, type StateDifference } from "./state_difference.ts";

/** A run, up to a step of it where one is named. */
export interface RunAt {
  readonly run: RunId;
  readonly step?: number;
}

/** In what two runs differ: plain data, JSON as it is. */
export interface RunDifference extends PremiseDifference {
  /** Whether nothing differs, the last step included; where runs begin does not count. */
  readonly same: boolean;
  readonly a: ComparedRun;
  readonly b: ComparedRun;
  /** The first event that differs, where one does. */
  readonly event?: EventDifference;
  /** How the states differ; absent where there is no step of which both runs keep a snapshot. */
  readonly state?: StateDifference;
}

/** What was compared of a run. */
export interface ComparedRun {
  readonly run: RunId;
  /** The step that it begins with, and the last one that was compared. */
  readonly from: number;
  readonly to: number;
}

/**
 * In what two runs differ: their events, step by step as their live branches have them, what they say of
 * themselves, and the state at a step, leaf by leaf. Reads and checks both logs, writes nothing.
 *
 * A step that is named for one run alone holds for both. With one, only what led to it is compared, and its
 * state. Without one, the state is that of the first snapshot of both at or after the first difference, else
 * of the newest that both keep and that can be read.
 *
 * Fails with NoSuchStep or, where a step is named of which there is no snapshot, NoSuchSnapshot.
 */
export function diffRuns(
  store: Store,
  a: RunAt,
  b: RunAt,
  options: DiffOptions = {},
): TaskEither<RunError, RunDifference> {
  return attempt<RunError, RunDifference>(async (get) => {
    const one = await sideOf(store, { step: b.step, ...a }, get);
    const other = await sideOf(store, { step: a.step, ...b }, get);
    const event = eventDifference(one.events, other.events);
    const premises = premiseDifference(one.state, other.state);
    const state = (a.step ?? b.step) === undefined
      ? await commonState(store, one, other, event?.step)
      : await namedState(store, one, other, options);
    const { config, environment, identity } = premises;
    const about = [config, environment.members, environment.kernels, identity];
    const same = event === undefined && one.to === other.to &&
      about.every((entries) => entries.length === 0) && (state === undefined || sameState(state));
    return {
      same,
      a: comparedOf(one),
      b: comparedOf(other),
      ...(event && { event }),
      ...premises,
      ...(state && { state }),
    };
  });
}

/** One of the two runs, up to the step that is compared. */
interface Side extends ComparedRun, KeptStates {
  readonly events: readonly RunEvent[];
  /** The fold up to there. */
  readonly state: RunState;
}

async function sideOf(
  store: Store,
  { run, step }: { readonly run: RunId; readonly step?: number | undefined },
  get: Await<RunError>,
): Promise<Side> {
  const { events, state } = await get(readRun(store, run));
  const path = livePath(events);
  const from = state.origin?.step ?? 0;
  const to = step ?? state.step;
  if (to < from || to > state.step) {
    return fail({ type: "NoSuchStep", run, step: to, from, to: state.step } satisfies RunError);
  }
  const end = step === undefined ? Infinity : positionAfterStep(path, step)!;
  const compared = path.filter(({ position }) => position < end).map(({ event }) => event);
  const kept = state.snapshots.filter((ref) => ref.step <= to);
  return { run, from, to, events: compared, state: compared.reduce(evolve, initialState), kept };
}

function comparedOf({ run, from, to }: Side): ComparedRun {
  return { run, from, to };
}
