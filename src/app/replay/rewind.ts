import { historyDigest, NO_HISTORY } from "../../codec/history_digest.ts";
import type { RunRewound } from "../../core/event.ts";
import { evolve, initialState } from "../../core/evolve.ts";
import { livePath, type PlacedEvent, positionAfterStep } from "../../core/live_path.ts";
import { factsOf, type RunState } from "../../core/run_state.ts";

/** A state that a run was in: what its live path says up to a step. */
export interface PastState {
  readonly step: number;
  /** Events of the log up to there. */
  readonly position: number;
  /** Digest of the history up to there. */
  readonly history: string;
  /** What the path up to there folds to; its snapshots are at the places that they have on the path. */
  readonly state: RunState;
}

/**
 * The state of a run after a step of its live path, before anything was changed there; undefined where the
 * path does not have the step.
 */
export function pastState(events: readonly PlacedEvent[], step: number): PastState | undefined {
  const path = livePath(events);
  const position = positionAfterStep(path, step);
  return position === undefined ? undefined : stateUpTo(path, position);
}

/**
 * The state of a run at the end of its live path, with what was changed there and has had no step yet.
 * Undefined of no events.
 */
export function presentState(events: readonly PlacedEvent[]): PastState | undefined {
  const path = livePath(events);
  const position = path.length === 0 ? undefined : path.at(-1)!.position + 1;
  return position === undefined ? undefined : stateUpTo(path, position);
}

function stateUpTo(path: readonly PlacedEvent[], position: number): PastState {
  const before = path.filter((placed) => placed.position < position).map(({ event }) => event);
  const history = before.reduce(historyDigest, NO_HISTORY);
  const state = before.reduce(evolve, initialState);
  return { step: state.step, position, history, state };
}

/** What is recorded when a run goes back to a past state. */
export function rewindTo({ step, position, history, state }: PastState): RunRewound["data"] {
  return { step, position, history, facts: factsOf(state) };
}
