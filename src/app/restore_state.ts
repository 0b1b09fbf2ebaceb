import * as E from "fp-ts/Either.js";
import type { RunEvent } from "../core/event.ts";
import { evolve, initialState } from "../core/evolve.ts";
import type { RunState, SnapshotRef } from "../core/run_state.ts";
import { fail } from "../ports/attempt.ts";
import type { RunEnv } from "../ports/run_env.ts";
import type { SnapshotError } from "../ports/snapshot_store.ts";
import { release } from "../train/ownership.ts";
import { tensorsOf, type TrainState } from "../train/train_state.ts";
import { describeSnapshotError } from "./describe_error.ts";
import { initialStateOf, type Plan } from "./plan.ts";
import { divergence } from "./recorder.ts";
import { digestOfState, snapshotOf, stateOf } from "./state_snapshot.ts";

/** A training state and the place in the log at which it stood. */
export interface RestoredState {
  readonly state: TrainState;
  /** The fold of the events up to the state. */
  readonly runState: RunState;
  /** The events after it: what has to be recomputed. */
  readonly pending: readonly RunEvent[];
}

/**
 * The nearest state at or before `step` that the run can offer: its newest readable snapshot, else
 * the initial state. A snapshot that is missing or damaged is reported and passed over.
 *
 * Fails with Diverged where the initial state is not the one that the run recorded.
 */
export async function restoreState(
  env: RunEnv,
  plan: Plan,
  events: readonly RunEvent[],
  step: number,
): Promise<RestoredState> {
  const head = events.reduce(evolve, initialState);
  const candidates = head.snapshots.filter((ref) => ref.step <= step).reverse();
  for (const ref of candidates) {
    const snapshot = await env.store.snapshots.get(ref.snapshot)();
    if (E.isRight(snapshot)) {
      return splitAt(events, stateOf(plan, snapshot.right), positionAfter(events, ref));
    }
    passOver(env, ref, snapshot.left);
  }
  return splitAt(events, await initial(env, plan, events[0]!), 1);
}

/** A snapshot of a newer format is no damage: training on without it would lose what it knows. */
function passOver(env: RunEnv, ref: SnapshotRef, error: SnapshotError): void {
  if (error.type === "NewerSnapshot") fail(error);
  const reason = describeSnapshotError(error);
  env.reporter?.report({ type: "SnapshotSkipped", step: ref.step, reason });
}

async function initial(
  env: RunEnv,
  plan: Plan,
  started: RunEvent,
): Promise<TrainState> {
  const state = initialStateOf(plan);
  const snapshot = await snapshotOf(env.device, plan.task.name, state, initialState.cursor);
  const digest = digestOfState(snapshot);
  if (started.type === "RunStarted" && started.data.state !== digest) {
    release(tensorsOf(state));
    const actual: RunEvent = { ...started, data: { ...started.data, state: digest } };
    fail(divergence(started, actual, 0));
  }
  return state;
}

function positionAfter(events: readonly RunEvent[], ref: SnapshotRef): number {
  return 1 +
    events.findLastIndex((event) =>
      event.type === "SnapshotTaken" && event.data.step === ref.step &&
      event.data.snapshot === ref.snapshot
    );
}

function splitAt(
  events: readonly RunEvent[],
  state: TrainState,
  position: number,
): RestoredState {
  return {
    state,
    runState: events.slice(0, position).reduce(evolve, initialState),
    pending: events.slice(position),
  };
}
