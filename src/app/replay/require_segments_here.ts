import { type Environment, environmentChanges } from "../../core/environment.ts";
import { isStep, type RunEvent } from "../../core/event.ts";
import { livePath } from "../../core/live_path.ts";
import type { RecordedEvent } from "../../core/recorded_event.ts";
import type { ReplaySegment } from "../../core/replay_segments.ts";
import type { RunId } from "../../core/run_id.ts";
import { fail } from "../../ports/attempt.ts";

/**
 * Fails unless the steps of all these segments were computed in the environment that is `here`: with
 * EnvironmentChanged where the whole run was computed in another one, else with ComputedElsewhere, which
 * names the first steps that cannot be compared here.
 */
export function requireSegmentsHere(
  run: RunId,
  events: readonly RecordedEvent[],
  segments: readonly ReplaySegment[],
  here: Environment,
): void {
  let environment: Environment | undefined;
  let environments = 0;
  let elsewhere: { readonly backend: string; readonly from: number; to: number } | undefined;
  for (const { event } of livePath(events)) {
    const entered = environmentFrom(event);
    if (entered !== undefined) {
      environment = entered;
      environments++;
      if (elsewhere !== undefined) break;
    }
    if (!isStep(event) || environmentChanges(environment!, here).length === 0) continue;
    const { step } = event.data;
    if (!segments.some(({ from, to }) => from < step && step <= to)) continue;
    elsewhere ??= { backend: environment!.backend, from: step, to: step };
    elsewhere.to = step;
  }
  if (elsewhere === undefined) return;
  if (environments === 1) {
    fail({ type: "EnvironmentChanged", changes: environmentChanges(environment!, here) });
  }
  fail({ type: "ComputedElsewhere", run, ...elsewhere });
}

/** The environment that the run goes on in from an event on, where the event says so. */
function environmentFrom(event: RunEvent): Environment | undefined {
  return event.type === "RunStarted" || event.type === "RunResumed"
    ? event.data.environment
    : undefined;
}
