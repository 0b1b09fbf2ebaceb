import { evolve, initialState } from "./evolve.ts";
import { isStep, type RunEvent } from "./event.ts";
import type { RunState } from "./run_state.ts";

/**
 * A question that a run's events answer, as a fold of its own.
 *
 * `initialView` makes a fresh view and `evolve` may change the view it is given, which belongs to
 * the fold alone: so a curve of a million points is not copied a million times.
 */
export interface Projection<View> {
  readonly initialView: () => View;
  readonly evolve: (view: View, event: RunEvent) => View;
}

/** The view that a projection makes of these events. */
export function project<View>(projection: Projection<View>, events: Iterable<RunEvent>): View {
  let view = projection.initialView();
  for (const event of events) view = projection.evolve(view, event);
  return view;
}

/** The run's state as a projection. */
export const runState: Projection<RunState> = { initialView: () => initialState, evolve };

/** One point of a run's loss curve. */
export interface LossPoint {
  readonly step: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly gradNorm: number;
}

/** The loss of every step of the live branch, once and in order. */
export const lossCurve: Projection<LossPoint[]> = {
  initialView: () => [],
  evolve(points, event) {
    if (isStep(event)) {
      const { step, loss, learningRate, gradNorm } = event.data;
      points.push({ step, loss, learningRate, gradNorm });
    } else if (event.type === "RunRewound") {
      while (points.length > 0 && points.at(-1)!.step > event.data.step) points.pop();
    }
    return points;
  },
};
