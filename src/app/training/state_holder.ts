import { release } from "../../train/ownership.ts";
import { tensorsOf, type TrainState } from "../../train/train_state.ts";

/**
 * Frees the states of a step loop when nobody needs them any more: the loop itself, or a snapshot
 * whose tensors are still being read while the loop goes on.
 */
export interface StateHolder {
  /** The loop goes on from `previous` to `next`. */
  readonly replace: (previous: TrainState, next: TrainState) => void;
  /** Keeps the loop's state, one at a time, until the function that is given back is called. */
  readonly hold: (state: TrainState) => () => void;
}

/** A holder for the states of one loop. */
export function holdStates(): StateHolder {
  let current: TrainState | undefined;
  let held: TrainState | undefined;
  return {
    replace(previous, next) {
      current = next;
      release(tensorsOf(previous), {
        next: tensorsOf(next),
        ...(held && { held: tensorsOf(held) }),
      });
    },
    hold(state) {
      held = state;
      current ??= state;
      return () => {
        held = undefined;
        release(tensorsOf(state), tensorsOf(current ?? state));
      };
    },
  };
}
