import { tensorsOf, type TrainState } from "../../train/train_state.ts";
import type { Plans } from "./plan.ts";
import { releaseOnRejection } from "./release_on_rejection.ts";
import { type Loop, takeSteps } from "./step_loop.ts";

/** What the steps of a run are taken with, whatever its settings are on the way. */
export interface RunLoop extends Omit<Loop, "plan"> {
  readonly plans: Plans;
}

/**
 * Takes steps from `start` up to step `end`, until the plan ends, or until `stop` says so after a step, in
 * stretches of equal settings: where the log has changed them, the next stretch begins.
 *
 * Takes over `start` and gives its last state to the caller. See `takeSteps`.
 */
export async function takeStretches(
  loop: RunLoop,
  start: TrainState,
  end: number,
  stop?: () => boolean,
): Promise<TrainState> {
  const { recorder, plans, ...others } = loop;
  for (let state = start;;) {
    recorder.next(); // the settings from here on are folded in
    const plan = await releaseOnRejection(tensorsOf(state), () => plans.at(recorder.state()));
    const to = Math.min(end, recorder.changesAt() ?? end);
    state = await takeSteps({ ...others, recorder, plan }, state, to, stop);
    if (recorder.next()?.type === "RunCompleted") {
      const complete = () => recorder.record({ type: "CompleteRun" });
      await releaseOnRejection(tensorsOf(state), complete);
    }
    if (state.step >= end || state.step < to || recorder.next() === undefined) return state;
  }
}
