import { type Environment, environmentChanges } from "../../core/environment.ts";
import { isStep, type RunEvent } from "../../core/event.ts";
import type { RunId } from "../../core/run_id.ts";
import { fail } from "../../ports/attempt.ts";
import { release } from "../../train/ownership.ts";
import { tensorsOf } from "../../train/train_state.ts";
import type { RunError } from "../errors/errors.ts";
import type { RestoredState } from "./restore_state.ts";

/**
 * What has to be recomputed can be compared only where it was computed: frees the restored state and fails
 * with ComputedElsewhere where a step of `pending`, up to the event that `isLast` knows, was not computed
 * in the environment `here`.
 */
export function requireComputedHere(
  here: Environment,
  run: RunId,
  { state, runState, pending }: RestoredState,
  to: number,
  isLast: (event: RunEvent) => boolean = () => false,
): void {
  let environment = runState.environment!;
  for (const event of pending) {
    if (isLast(event)) return;
    environment = environmentAfter(event) ?? environment;
    if (!isStep(event) || environmentChanges(environment, here).length === 0) continue;
    release(tensorsOf(state));
    const { backend } = environment;
    const from = state.step + 1;
    fail({ type: "ComputedElsewhere", run, from, to, backend } satisfies RunError);
  }
}

function environmentAfter(event: RunEvent): Environment | undefined {
  return event.type === "RunResumed" ? event.data.environment : undefined;
}
